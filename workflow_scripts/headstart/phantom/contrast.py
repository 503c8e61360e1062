"""Contrasts: how bright tissues, structures, lesions and the head are in the images of a sequence, T1w or FLAIR."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from headstart.phantom.tissue import BRAIN_STEM, PARTS, Maps

# Generators of random numbers by what they are for, each with a seed of its own.
Stream = Callable[[str], np.random.Generator]

_WHITENESS_SD = 0.04


@dataclass(frozen=True)
class Sequence:
    """The ranges of the signals in images of one kind, relative to white matter's.

    gm, csf: (lowest, highest) signal of grey matter and of CSF.
    structures: mean by FIRST's values, on a scale from grey matter (0) to white matter (1).
    lesions: (lowest, highest) by the kind of lesions, on a scale from CSF (0) to grey matter (1).
    around: signal by layer of the head, of those in :data:`headstart.phantom.head.LAYERS` that belong to no tissue.
    """

    gm: tuple[float, float]
    csf: tuple[float, float]
    structures: Mapping[tuple[int, ...], float]
    lesions: Mapping[str, tuple[float, float]]
    around: Mapping[str, float]


T1W = Sequence(
    gm=(0.62, 0.74),
    csf=(0.15, 0.27),
    structures={
        (10, 49): 0.55,  # thalamus
        (11, 50): 0.08,  # caudate
        (12, 51): 0.18,  # putamen
        (13, 52): 0.75,  # pallidum
        (16,): 0.80,  # brain stem
        (17, 53): 0.05,  # hippocampus
        (18, 54): 0.03,  # amygdala
        (26, 58): 0.06,  # accumbens
    },
    # A stroke's scar is nearly as dark as CSF; an MS lesion is between CSF and grey matter.
    lesions={"stroke": (0.0, 0.3), "ms": (0.4, 0.75)},
    around={
        "muscle": 0.45, "fat": 0.95, "skin": 0.60, "orbit": 0.95, "eye": 0.22, "sinus": 0.06, "airway": 0.0,
        "bone": 0.06, "marrow": 0.42, "vertebra": 0.50,
    },
)  # fmt: skip
FLAIR = Sequence(
    gm=(1.12, 1.22),
    csf=(0.05, 0.13),
    structures={
        (10, 49): 0.30,
        (11, 50): 0.05,
        (12, 51): 0.15,
        (13, 52): 0.40,
        (16,): 0.50,
        (17, 53): 0.0,
        (18, 54): 0.0,
        (26, 58): 0.05,
    },
    # Gliosis, about 1.3 to 1.8 times as bright as white matter.
    lesions={"stroke": (1.25, 1.48), "ms": (1.25, 1.48)},
    # The eye is filled with fluid, whose signal is suppressed as that of CSF is.
    around={
        "muscle": 0.45, "fat": 1.40, "skin": 0.70, "orbit": 1.40, "eye": 0.12, "sinus": 0.08, "airway": 0.0,
        "bone": 0.08, "marrow": 0.70, "vertebra": 0.65,
    },
)  # fmt: skip
SEQUENCES = {"T1w": T1W, "FLAIR": FLAIR}


@dataclass(frozen=True)
class Contrast:
    """The signals of one image relative to white matter's.

    csf, gm, wm: of the tissues.
    structures: by FIRST's values.
    lesion: None in healthy subjects.
    around: by layer of :data:`headstart.phantom.head.LAYERS`.
    """

    csf: float
    gm: float
    wm: float
    structures: Mapping[int, float]
    lesion: float | None
    around: Mapping[str, float]


def draw_contrast(sequence: Sequence, lesions: str, stream: Stream) -> Contrast:
    """Draw the signals of one image; both sides of a structure are equal.

    ``lesions``: their kind, as in :class:`headstart.phantom.recipe.Recipe`. ``stream``: its generators ``contrast`` and
    ``damage`` are used.
    """
    rng = stream("contrast")
    gm, csf = rng.uniform(*sequence.gm), rng.uniform(*sequence.csf)
    structures = {}
    for labels, whiteness in sequence.structures.items():
        signal = gm + (1 - gm) * np.clip(whiteness + rng.normal(0, _WHITENESS_SD), 0, 0.95)
        structures.update(dict.fromkeys(labels, float(signal)))
    lesion = csf + stream("damage").uniform(*sequence.lesions[lesions]) * (gm - csf) if lesions != "none" else None
    around = {**sequence.around, "canal": csf, "cord": structures[BRAIN_STEM], "csf": csf}
    return Contrast(csf, gm, 1.0, structures, lesion, around)


def paint(maps: Maps, contrast: Contrast) -> np.ndarray:
    """(X, Y, Z) float32 signal on the template's grid without lesions: 0 outside the brain, white matter 1."""
    signal = np.einsum("t...,t->...", maps.shares, np.array([contrast.csf, contrast.gm, contrast.wm], np.float32))
    table = np.zeros(max(PARTS) + 1, np.float32)
    for label, value in contrast.structures.items():
        table[label] = value
    structure = table[maps.parts]
    return np.where(structure > 0, structure, signal)
