"""The made-up cohort: people whose T1 scans, labels and lesions are computed, so that the truth is known exactly.

Each person is the template's anatomy under a random smooth invertible mapping, put into a head, and scanned.

- ``recipe``: what is made and where it is written; light enough to import while a workflow is parsed
- ``anatomy``: the mapping from a person's scanner space to template space
- ``tissue``: the continuous maps in template space and their T1 signal
- ``lesions``: strokes and multiple-sclerosis lesions in template space
- ``head``: skull, scalp, neck and face around the brain
- ``scan``: the scanner's grid, sampling with partial volume, bias field, noise
- ``person``: one person from one seed
- ``dataset``: people as a BIDS dataset
"""

from headstart.phantom.recipe import Recipe, person_paths

__all__ = ["Recipe", "person_paths"]
