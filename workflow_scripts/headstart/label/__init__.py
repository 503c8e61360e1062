"""Stage 3, label: tissues and deep structures of a T1 scan, made without manual labels.

Two back ends make the same labels: ``ants`` with what pip installs, ``fsl`` with the tools of FSL.

- ``labels``: what a back end returns, and how it is written
- ``tissue``, ``structures``: the two halves of the back end ``ants``
- ``validation``: agreement with the exact ground truth of synthetic scans
"""
