"""Stage 3, label: automatic labels of the tissues and deep structures in a T1 scan.

Two back ends make the same labels: ``ants`` needs only Python packages, ``fsl`` the tools of FSL.

- ``labels``: what a back end returns, and how it is written
- ``tissue``, ``structures``: the two parts of the back end ``ants``
- ``validation``: agreement with the exact ground truth of synthetic scans
"""
