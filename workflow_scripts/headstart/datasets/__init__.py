"""Stage 1, datasets: which scans exist, of which subject, where their files are, and what is wrong with them.

- ``scan``: what every layout is read into, and the file system checks that layouts share
- ``bids``, ``flat``, ``released`` (public datasets as they are distributed), ``phantom``: the layouts of scans
- ``natural``: the layouts of natural images
- ``layouts``: the table of layouts, and from a dataset's entry in the configuration to its scans
- ``participants``: demographics, read and tabulated
- ``headers``, ``intake``: checks of each scan and its manual labels, which are repaired or refused
- ``splits``: which scans are for training and which for testing
- ``derivatives``: the description of a folder of derivatives (BIDS)
"""
