"""Stage 2, register: scans in template space by one affine, and quality control.

- ``affine``: one scan, and its manual labels, in template space
- ``ants``: the interface to ANTs
- ``brain_extraction``: the mask of the brain
- ``quality``: what registration and resampling did to one scan, in numbers
- ``quality_table``: the table of all scans, and which of them stop the study
"""
