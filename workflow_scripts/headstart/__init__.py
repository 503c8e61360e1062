"""headstart: which pre-training gives a brain-MRI segmentation task a head start.

The package knows no Snakemake: every function runs from a plain Python prompt. Stages follow one road
(datasets, register, label, slices, pretrain, finetune, evaluate, report); data flows one way along it, and
stages share only what lies under them: ``job``, ``seeds``, ``settings``, ``images``, ``template``, ``store``.
"""

__version__ = "0.1.0"
