"""What the results of a study were made from, and whether that is still the same.

- ``fingerprint``: hash of the code that a script runs
- ``record``: writes provenance.json of a study
- ``verify``: lists what differs from provenance.json
- ``clock``: files dated in the future
"""
