"""What was made from what, and whether that still holds.

- ``fingerprint``: hash of the code that a script runs
- ``record``: provenance.json of a study
- ``verify``: what no longer matches it
- ``clock``: files dated in the future
"""
