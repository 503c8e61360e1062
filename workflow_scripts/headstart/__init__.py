"""headstart: which pre-training gives a brain-MRI segmentation task a head start.

The package knows no Snakemake: every function runs from a plain Python prompt. Its packages are the stages of the
pipeline, in this order, and what the stages share. Data flows one way; no package imports a later stage.

1. ``datasets``: which scans there are, what is wrong with them, and who trains and who tests
2. ``register``: scans in template space, and quality control
3. ``label``: tissues and deep structures without manual labels; ``labeller``: a network trained on them
4. ``slices``: axial slices in arrays that are memory-mapped
5. ``pretrain``: one encoder per source
6. ``finetune``: each source on each target, set size and resample
7. ``evaluate``: scores, statistics and the verdict
8. ``report``: figures, tables and text for readers

Shared: ``job`` (logging, errors, atomic writes), ``seeds``, ``settings`` (the configuration), ``images``, ``version``,
``metrics``, ``template``, ``phantom`` (synthetic subjects), ``networks``, ``training``. Beside the pipeline:
``predict`` (segments new scans) and ``provenance`` (what was made from what).
"""
