"""Segment new scans with a finished model; no stage of the pipeline knows of this package.

- ``request``: what a user asks for, checked before any work
- ``segment``: one scan, from its own grid and back
"""
