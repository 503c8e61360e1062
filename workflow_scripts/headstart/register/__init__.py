"""Stage 2, register: scans in template space by one affine, and quality control.

- ``affine``: registers one scan, and resamples it to template space
- ``manual_labels``: resamples the manual labels of a scan to template space
- ``rigid``: registers a further image of a person, such as a FLAIR beside a T1, to the first
- ``ants``: the interface to ANTs
- ``brain_extraction``: masks of the brain and of the head
- ``quality``: measures of registration and resampling for one scan
- ``quality_table``: the table of these for all scans, and which scans stop the study
- ``image_quality``: measures of how well a further image lies on the first
- ``image_table``: the table of these for all further images, and which of them stop the study
"""
