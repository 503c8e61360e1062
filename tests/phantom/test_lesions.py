"""Lesions: of stroke few and large on one side, of multiple sclerosis many and small near the ventricles, all dark."""

import numpy as np
import pytest
from scipy import ndimage
from settings_of import recipe

from headstart.phantom.lesions import draw_lesions
from headstart.phantom.tissue import VENTRICLE, WM, build_maps


def pieces_ml(mask, voxel_ml):
    """Volumes of the connected parts in mL, largest first."""
    labels, count = ndimage.label(mask)
    return np.sort(np.bincount(labels.ravel(), minlength=count + 1)[1:])[::-1] * voxel_ml


@pytest.fixture(scope="module")
def maps(template):
    return build_maps(template)


@pytest.mark.parametrize("seed", range(12))
def test_a_stroke_is_large_one_sided_and_few(maps, seed):
    field = draw_lesions(maps, recipe("stroke"), 1.0, np.random.default_rng(seed))
    inside = field > 0.5
    sizes = pieces_ml(inside, maps.grid.voxel_ml)
    assert 4 < sizes[0] < 125
    assert len(sizes) <= 3
    assert (sizes[1:] < 8).all()
    x = np.argwhere(inside)[:, 0] * maps.grid.spacing[0] + maps.grid.affine[0, 3]
    assert (x < 0).all() or (x > 0).all()
    assert not (inside & (maps.parts == VENTRICLE)).any()


def test_stroke_volumes_vary_by_more_than_a_factor_of_four(maps):
    fields = [draw_lesions(maps, recipe("stroke"), 1.0, np.random.default_rng(seed)) for seed in range(20)]
    volumes = [(field > 0.5).sum() * maps.grid.voxel_ml for field in fields]
    assert max(volumes) > 4 * min(volumes)
    assert {np.sign(np.argwhere(f > 0.5)[:, 0].mean() - (f.shape[0] - 1) / 2) for f in fields} == {-1, 1}


@pytest.mark.parametrize("seed", range(4))
def test_ms_lesions_are_many_small_in_white_matter_near_the_ventricles(maps, seed):
    field = draw_lesions(maps, recipe("ms"), 1.0, np.random.default_rng(seed))
    inside = field > 0.5
    sizes = pieces_ml(inside, maps.grid.voxel_ml)
    assert 8 <= len(sizes) <= 45
    assert sizes.max() < 2.0
    assert (maps.shares[WM - 1][inside] > 0.5).all()
    distance = ndimage.distance_transform_edt(maps.parts != VENTRICLE, sampling=maps.grid.spacing)
    white = maps.shares[WM - 1] > 0.5
    assert np.median(distance[inside]) < 0.6 * np.median(distance[white])


def test_no_lesions_in_healthy_subjects(maps, healthy):
    assert draw_lesions(maps, recipe(), 1.0, np.random.default_rng(0)) is None
    assert not healthy.lesion.data.any()


def test_strokes_are_dark_and_keep_their_tissue_labels(strokes):
    for subject in strokes:
        lesion = subject.lesion.data > 0
        spread = np.sqrt((subject.lesion.grid.spacing**2).max())
        core = ndimage.binary_erosion(lesion)
        ring = ndimage.binary_dilation(lesion, iterations=int(np.ceil(12 / spread))) & ~ndimage.binary_dilation(lesion)
        ring &= subject.tissue.data > 1
        assert core.any()
        assert np.median(subject.first.data[core]) < 0.6 * np.median(subject.first.data[ring])
        assert (subject.tissue.data[core] > 1).mean() > 0.9
        assert subject.brain.data[lesion].all()
        assert 3.5 < lesion.sum() * subject.lesion.grid.voxel_ml < 135


def test_ms_lesions_are_darker_than_white_matter_and_brighter_than_csf(sclerotic):
    t1w, lesion = sclerotic.first.data, sclerotic.lesion.data > 0
    core = lesion & ndimage.binary_erosion(lesion)
    white = np.median(t1w[(sclerotic.anatomy.data == 1) & ~lesion])
    csf = np.median(t1w[sclerotic.anatomy.data == 4])
    assert csf < np.median(t1w[core]) < 0.75 * white
    assert np.median(t1w[lesion]) < 0.9 * white
