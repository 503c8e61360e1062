"""The synthetic cohort: subjects whose T1 scans, labels and lesions are computed, so that the ground truth is exact.

Each subject is the template's anatomy under a random smooth invertible mapping, put into a head, and scanned.

- ``recipe``: what is made and where it is written; light enough to import while a workflow is parsed
- ``anatomy``: the mapping from a subject's scanner space to template space
- ``fields``: smooth random fields
- ``tissue``: the continuous maps in template space and their T1 signal
- ``lesions``: strokes and multiple-sclerosis lesions in template space
- ``head``: skull, scalp, neck and face around the brain
- ``scanner``: the scanner's grid, sampling with partial volume, bias field, noise
- ``subject``: one subject from one seed
- ``dataset``: subjects as a BIDS dataset
- ``scenes``: synthetic natural images
"""
