"""The synthetic cohort: subjects whose scans, labels and lesions are simulated, so that the ground truth is exact.

Each subject is the template's anatomy under a random smooth invertible mapping, surrounded by a head, and scanned:
a T1, a FLAIR, or both.

- ``recipe``: the parameters of a dataset and the paths of its files; imports nothing heavy, for planning a workflow
- ``anatomy``: the mapping from a subject's scanner space to template space, and movements of the head
- ``fields``: smooth random fields
- ``tissue``: continuous maps of the anatomy in template space
- ``contrast``: signals of tissues, lesions and head in T1 and FLAIR
- ``lesions``: lesions of stroke and of multiple sclerosis in template space
- ``head``: skull, scalp, neck and face around the brain
- ``scanner``: the scan's grid, sampling with partial volume, bias field and noise
- ``subject``: one subject from one seed
- ``label_maps``: the anatomy of a head without its scan, as label maps
- ``dataset``: subjects as a BIDS dataset
- ``scenes``: synthetic natural images; ``scene_classes``: their classes, which import nothing heavy
"""
