"""Stage 1, datasets: which scans there are, of which subject, where their files lie, and what is wrong with them.

- ``scan``: what every layout is read into, and the file system checks that layouts share
- ``bids``, ``flat``, ``released`` (public datasets as they are distributed), ``phantom``: the layouts of scans
- ``natural``: the layouts of natural images
- ``layouts``: the table of layouts; a dataset's entry in the configuration becomes scans
- ``participants``: demographics, read and tabulated
- ``headers``, ``intake``: what a scan and its manual labels hold, repaired or refused
- ``splits``: which scans train and which test
- ``derivatives``: what a folder of derivatives says of itself (BIDS)
"""
