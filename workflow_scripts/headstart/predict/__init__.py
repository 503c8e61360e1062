"""Segmentation of new scans with a finished model; no stage of the pipeline depends on this package.

- ``request``: which model and which scans, checked before any work
- ``segment``: segments one scan, and returns to its own grid
"""
