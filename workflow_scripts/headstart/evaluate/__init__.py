"""Stage 7, evaluate: scores of each model on its test scans, and the statistics of all of them.

- ``model``: predictions of one model and their scores
- ``scores``: scores of one scan, slice by slice and as a whole, and completeness of a run's table
- ``bootstrap``: means, 95 % confidence intervals and p-values by cluster bootstrap
- ``tables``: scores and summary of a study
- ``significance``: the one criterion of statistical significance
- ``comparisons``: every pair of sources, corrected for multiple comparisons, and gains over the baseline
- ``learning_curves``: score against set size, and the labelled scans that a source saves
- ``forecast``: learning curves beyond the measured set sizes, by a mixture of laws
- ``needed``: the labelled scans that each source needs for a score, and a check of the forecasts
- ``mixed_model``: gains by a linear mixed model
- ``detection``: lesion-wise sensitivity and false positives
- ``distances``: distances between surfaces
- ``verdict``: the answer, one row and one sentence per target

Axes: see ``headstart.training``.
"""
