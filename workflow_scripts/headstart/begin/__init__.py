"""A study of one's own: from a folder of scans to the file of a study that fits it. Outside the pipeline.

- ``study``: the command, ``make study``
- ``folder``: which scans and labels a folder holds, as the layouts ``bids`` and ``flat`` read them
- ``label_names``: which of the images beside BIDS scans are labels; ``flat_names``: which files of any other folder are
  scans and labels, and how they are named; ``kinds``: files whose paths are the same but for a subject
- ``contents``: what is in the files: voxel sizes, label values, lesions
- ``design``: test set, set sizes, resamples, grid and length of the study
- ``describe``: what was found, in sentences; ``write``: the file of the study
"""
