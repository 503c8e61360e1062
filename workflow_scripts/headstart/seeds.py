"""Random seeds that depend on what a job is, never on when or in which order it runs."""

import hashlib

import numpy as np


def seed_for(study_seed: int, *what: object) -> int:
    """Seed of one job: a hash of the study's seed and of words that identify the job.

    Returns an integer in [0, 2**63), which all generators accept.
    """
    words = "\x1f".join(str(word) for word in (study_seed, *what))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 1


def generator(study_seed: int, *what: object) -> np.random.Generator:
    """NumPy generator seeded by :func:`seed_for`."""
    return np.random.default_rng(seed_for(study_seed, *what))
