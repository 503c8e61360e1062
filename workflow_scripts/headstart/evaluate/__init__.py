"""Stage 7, evaluate: scores of each model on its test scans, and the statistics of all of them.

- ``model``: predictions of one model and their scores
- ``scores``: rows of scores of one scan, and what a run's table must hold
- ``bootstrap``: means, 95 % confidence intervals and p-values by cluster bootstrap
- ``tables``: scores, summary and gains of a study
- ``comparisons``: every pair of sources, corrected for multiple comparisons
- ``learning_curves``: score against set size, and the labelled scans that a source saves
- ``mixed_model``: gains by a linear mixed model
- ``detection``: lesion-wise sensitivity and false positives
- ``verdict``: the answer, one row and one sentence per target
"""
