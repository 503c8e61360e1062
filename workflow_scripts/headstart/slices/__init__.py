"""Stage 4, slice: axial slices in memory-mapped arrays.

- ``cut``: slices of a registered scan, and which structures each shows
- ``store``: the files of slices, and where each scan is in them
- ``channels``: what a network sees of a slice: several images, and neighbouring slices
- ``natural``: natural images as slices
- ``scan_maps``: label maps of labelled scans, of which images are made in training
"""
