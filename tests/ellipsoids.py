"""A small synthetic template: ellipsoids of the size of a brain on a coarse grid."""

import numpy as np

from headstart.images import Volume
from headstart.template.template import Template

SPACING_MM = 4.0
CENTRE = np.array([0.0, -17.0, 8.0])
LATERAL = {  # FIRST's left and right values: centre of the right one and half axes, in mm
    (10, 49): ((12, -20, 8), (8, 12, 8)),
    (11, 50): ((13, 12, 12), (6, 10, 9)),
    (12, 51): ((26, 2, 2), (6, 13, 9)),
    (13, 52): ((17, -2, -4), (5, 7, 5)),
    (17, 53): ((27, -24, -16), (6, 15, 6)),
    (18, 54): ((24, -2, -20), (6, 6, 6)),
    (26, 58): ((9, 12, -8), (5, 5, 5)),
}


def ellipsoids() -> Template:
    """The template, whose images agree with each other."""
    affine = np.diag([SPACING_MM] * 3 + [1.0])
    affine[:3, 3] = (-98, -134, -72)
    shape = tuple(int(n / SPACING_MM) for n in (197, 233, 189))
    x, y, z = np.tensordot(affine[:3, :3], np.indices(shape), axes=1) + affine[:3, 3][:, None, None, None]

    def ellipsoid(centre, axes):
        return sum(((p - c) / a) ** 2 for p, c, a in zip((x, y, z), centre, axes, strict=True)) < 1

    hemispheres = ellipsoid(CENTRE, (70, 88, 70))
    cerebellum = ellipsoid((0, -60, -42), (45, 28, 20))
    stem = ellipsoid((0, -30, -42), (12, 12, 26))
    brain = hemispheres | cerebellum | stem
    white = ellipsoid(CENTRE, (58, 74, 56)) | ellipsoid((0, -60, -42), (33, 18, 12)) | stem
    ventricles = ellipsoid((8, -10, 20), (6, 30, 8)) | ellipsoid((-8, -10, 20), (6, 30, 8))
    parcellation = np.where(brain, np.where(white, np.where(x < 0, 2, 41), np.where(x < 0, 3, 42)), 0)
    parcellation[cerebellum & ~hemispheres] = 8
    structures = np.zeros(shape, np.uint8)
    for (left, right), ((cx, cy, cz), axes) in LATERAL.items():
        structures[ellipsoid((-cx, cy, cz), axes)] = left
        structures[ellipsoid((cx, cy, cz), axes)] = right
    structures[stem & ~hemispheres] = 16
    parcellation[ventricles] = 4
    structures[ventricles] = 0
    np.copyto(parcellation, structures, where=structures > 0)
    csf = np.where(ventricles, 1, np.where(brain, 0.05, 0))
    wm = np.where(white & ~ventricles, 0.9, 0)
    gm = brain - csf - wm

    def volume(data, dtype):
        return Volume(data.astype(dtype), affine)

    return Template(
        t1=volume(0.2 * csf + 0.6 * gm + 0.9 * wm, np.float32),
        brain=volume(brain, np.uint8),
        csf=volume(csf, np.float32),
        gm=volume(gm, np.float32),
        wm=volume(wm, np.float32),
        structures=volume(structures, np.uint8),
        parcellation=volume(parcellation, np.uint16),
    )
