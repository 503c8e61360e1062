"""Stage 1, datasets: which scans exist, of which subject, where their files are, and what is wrong with them.

- ``scan``: what every layout is read into, and the file system checks that layouts share
- ``bids``, ``flat``, ``released`` (public datasets as they are distributed), ``phantom``: the layouts of scans
- ``bids_labels``, ``bids_names``: which files of a BIDS dataset label a T1, and the parts of their names
- ``natural``: the layouts of natural images; ``synthetic``: that of label maps of heads without a scan
- ``layouts``: the table of layouts, and from a dataset's entry in the configuration to its scans
- ``participants``, ``demographics``: age, sex and site, read, looked up and tabulated; ``delimited``: their tables as
  text files
- ``intake``: checks of each scan and its manual labels, which are repaired or refused, by ``headers`` (placement),
  ``intensities``, ``label_values``, and ``alignment`` (whether labels lie on the voxels of their scan)
- ``splits``: which scans are for training and which for testing; ``folds``: those of a cross-validation
- ``derivatives``: the description of a folder of derivatives (BIDS)
"""
