"""Stage 4, slices: axial slices in arrays that are memory-mapped.

- ``cut``: slices of a registered scan, and which structures each shows
- ``store``: the files of slices, and finding a scan in them
- ``natural``: natural images as slices
"""
