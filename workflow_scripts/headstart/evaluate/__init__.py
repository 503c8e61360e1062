"""Stage 7, evaluate: scores of each model on its test scans, and the statistics of all of them.

- ``model``: predictions of one model; ``archive``: the file that they are kept in; ``run``: their scores
- ``speed``: how fast models are evaluated on this machine
- ``scores``: scores of one scan, slice by slice and as a whole, and completeness of a run's table
- ``anova``: variances of means and differences by two-way analysis of variance
- ``bootstrap``: draws of mean scores by cluster bootstrap, and intervals of what is computed from them
- ``tables``: scores and summary of a study
- ``significance``: the one criterion of statistical significance, and the words for a difference
- ``simultaneous``: p-values and confidence intervals that hold for a family of comparisons at once
- ``comparisons``: every pair of sources, and gains over the baseline; ``size_by_size``: up to which set size they hold
- ``design``: the smallest gain that a study will find, before anything is trained
- ``learning_curves``: score against set size, and the labelled scans that a source saves
- ``forecast``: learning curves beyond the measured set sizes, by a mixture of laws
- ``needed``: the labelled scans that each source needs for a score, and a check of the forecasts
- ``detection``: lesion-wise sensitivity and false positives
- ``distances``: distances between surfaces
- ``native``: scores on the scans' own grids
- ``verdict``, ``verdict_words``: the answer, one row and one sentence per target
- ``answer``: all of these tables from scores, for the workflow and for tables of scores from elsewhere, which
  ``score_table`` checks

Axes: see ``headstart.training``.
"""
