"""headstart: which pre-training gives a brain-MRI segmentation task a head start.

Apart from `debug`, the package does not need Snakemake: every function runs from a Python prompt. It consists of the
stages of the pipeline, in this order, and of what they share. Data flows one way; no stage imports a later one.

1. ``datasets``: which scans there are, checks of their files, training and test sets
2. ``register``: scans in template space, and quality control
3. ``label``: tissues and deep structures without manual labels; ``labeller``: a network trained on them
4. ``slices``: axial slices in memory-mapped arrays
5. ``pretrain``: one encoder per source
6. ``finetune``: a model of each source for each target, set size and resample; ``tune``: the learning rate of each;
   ``as_pretrained``: a source's own network as a model of a target
7. ``evaluate``: scores, statistics and the verdict
8. ``report``: figures, tables and text for readers

Shared: ``job`` (logging, errors, atomic writes), ``seeds``, ``settings``, ``consistency`` and ``old_keys`` (the
configuration), ``sources`` and ``source_checks`` (what encoders are pre-trained on), ``without_labels`` (which of them
segment a target as they are), ``leaks`` (people in both pre-training and test data), ``images``, ``label_table``
(labels from which images are made), ``version``, ``metrics``, ``template``, ``phantom`` (synthetic subjects),
``networks``, ``training``.
Outside the pipeline: ``begin`` (writes the file of a study for a folder of scans), ``predict`` (segments new scans),
``publish`` (packs a model for other projects), ``export`` (training and test sets for other programs), ``compare``
(finished studies side by side), ``provenance`` (what results were made from), ``verdict`` (the statistics for a table
of scores from elsewhere) and ``debug`` (a rule's script in a debugger).
"""
