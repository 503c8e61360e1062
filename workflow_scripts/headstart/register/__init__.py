"""Stage 2, register: scans in template space by one affine, and quality control.

- ``affine``: registers one scan, and resamples it and its manual labels to template space
- ``ants``: the interface to ANTs
- ``brain_extraction``: masks of the brain and of the head
- ``quality``: measures of registration and resampling for one scan
- ``quality_table``: the table of these for all scans, and which scans stop the study
"""
