"""A study's scans, training sets and test sets for other programs; no stage of the pipeline depends on this package.

- ``scan``: one scan's images and labels, all on the grid of the first
- ``draws``: each training set with its test set, as a raw data set of nnU-Net and as a data list of MONAI
- ``tables``: the same in tables of paths, and what to add to the study when masks come back
"""
