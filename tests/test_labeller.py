"""A study's own labeller: it learns the labels that it is trained on, and returns labels on the scan's grid."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import small
import torch

from headstart import images, job, labeller
from headstart.images import Grid, Volume
from headstart.job import UserError, read_json
from headstart.metrics import overlap
from headstart.networks import model_files
from headstart.slices import cut
from headstart.template import template

GRID = template.grid(8)
SIZE = 32
SMALL = small.architecture(decoder_widths=(8,) * 9)
EXPECTS = {"size": [SIZE, SIZE]}
SETTINGS = labeller.LabellerSettings(
    architecture=SMALL,
    training=small.training(24, batch_size=8, learning_rate=3e-3, decay_after=0.8),
    expects=EXPECTS,
    resident_gb=None,
)


def head(seed):
    """A synthetic scan on a coarse grid whose tissues and two structures differ in brightness and place."""
    rng = np.random.default_rng(seed)
    centre = np.array([12, 14.5, 11.5]) + rng.uniform(-1, 1, 3)
    place = np.moveaxis(np.indices(GRID.shape), 0, -1) - centre
    radius = np.linalg.norm(place / (9, 11, 9), axis=-1)
    tissue = np.select([radius < 0.5, radius < 0.8, radius < 1], [3, 2, 1], 0).astype(np.uint8)
    side = np.where(place[..., 0] < 0, 10, 49)
    structures = np.where(radius < 0.45, side, 0).astype(np.uint8)
    t1 = np.array([0, 0.2, 0.5, 0.9])[tissue] - 0.2 * (structures > 0) + rng.uniform(0, 0.05, GRID.shape)
    return t1.astype(np.float32), tissue, structures


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    made = []
    for n in range(4):
        paths = {}
        for name, data in zip(("t1w", "tissue", "structures"), head(n), strict=True):
            paths[name] = folder / f"{n}_{name}.nii.gz"
            images.write(paths[name], Volume(data, GRID.affine), data.dtype)
        made.append(paths)
    return made


def labelled(scans):
    return labeller.LabelledScans(*([scan[name] for scan in scans] for name in ("t1w", "tissue", "structures")))


@pytest.fixture(scope="module")
def trained(scans, tmp_path_factory):
    network, history = labeller.train(labelled(scans[:3]), SETTINGS, seed=1)
    path = tmp_path_factory.mktemp("labeller") / "labeller.safetensors"
    metadata = labeller.metadata(SETTINGS, labelled(scans[:3]), 1, {"scans": ["0", "1", "2"], "backend": "ants"})
    model_files.save(network, path, metadata, history)
    return path


def test_it_labels_a_scan_that_it_has_not_seen(scans, trained):
    made = labeller.label(scans[3]["t1w"], trained, SMALL, EXPECTS, "float32")
    _, tissue, structures = head(3)
    assert overlap.volume_score(made.tissue.data, tissue, 4, "miou", "skip") > 0.5
    assert set(np.unique(made.structures.data)) <= {0, *template.STRUCTURES}
    for value in (10, 49):  # left and right are distinguished
        assert overlap.dice(made.structures.data == value, structures == value, "skip") > 0.5
    np.testing.assert_array_equal(made.brain.data, made.tissue.data > 0)
    assert made.tissue.grid.matches(GRID)
    assert made.structures.grid.matches(GRID)
    assert made.made_by["Weights"] == job.sha256(trained)


def test_the_seed_determines_the_labeller(scans):
    settings = replace(SETTINGS, training=small.training(1, batch_size=8))
    once, again, other = (labeller.train(labelled(scans[:2]), settings, seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not all(torch.equal(once[name], other[name]) for name in once)


def test_a_labeller_made_for_another_grid_is_refused(scans, trained):
    with pytest.raises(UserError, match="says size is"):
        labeller.label(scans[3]["t1w"], trained, SMALL, {"size": [64, 64]}, "float32")


def test_metadata_say_what_the_labeller_was_trained_on(trained):
    metadata = read_json(trained.with_name("model.json"))
    assert metadata["kind"] == "labeller"
    assert metadata["trained_on"] == {"scans": ["0", "1", "2"], "backend": "ants"}
    assert metadata["encoder"] == "resnet18"
    assert metadata["size"] == [SIZE, SIZE]


def test_the_loss_is_cross_entropy_plus_dice_of_both_maps():
    output = torch.randn(2, 20, 8, 8, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(0, 4, (2, 2, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    expected = 0
    for scores, labels in ((output[:, :4], targets[:, 0].long()), (output[:, 4:], targets[:, 1].long())):
        probabilities = scores.softmax(dim=1)
        exact = torch.nn.functional.one_hot(labels, scores.shape[1]).movedim(-1, 1)
        common, both = ((part).sum(dim=(0, 2, 3))[1:] for part in (probabilities * exact, probabilities + exact))
        # Median-frequency weights, for classes that all slices contain.
        frequency = labels.flatten().bincount(minlength=scores.shape[1]) / labels.numel()
        weights = torch.where(frequency > 0, frequency[frequency > 0].quantile(0.5) / frequency, 0)
        expected += torch.nn.functional.cross_entropy(scores, labels, weights) + (1 - 2 * common / both).mean()
    task = labeller.Labelling(targets.numpy())
    torch.testing.assert_close(task.loss(output, None, targets), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(25, 30, 24), (32, 31, 5)])
def test_slices_are_restored_to_the_volume_that_they_were_cut_from(shape):
    data = np.random.default_rng(0).integers(0, 9, shape).astype(np.uint8)
    grid = Grid(shape, np.diag([8.0, 8, 8, 1]))
    np.testing.assert_array_equal(cut.restore(cut.whole(Volume(data, grid.affine), 32), grid).data, data)


def test_the_scripts_write_labels_and_their_agreement(scans, trained, tmp_path, run_script):
    params = {
        "network": {"encoder": "resnet18", "latent_channels": 4, "decoder_widths": [8] * 9, "normalisation": "batch"},
        "torch_threads": 1,
        "precision": "float32",
        "expects": EXPECTS,
    }
    found = {**scans[3], "model": trained}

    class Files(SimpleNamespace):
        def __getitem__(self, name):
            return getattr(self, name)

    run_script("compare_labeller", Files(**found), params, [tmp_path / "found.json"])
    written = {name: tmp_path / f"{name}.nii.gz" for name in ("tissue", "structures", "brain")}
    written |= {"sidecars": [tmp_path / f"{n}.json" for n in range(3)], "picture": tmp_path / "a.png"}
    run_script("label_scan_network", Files(**found), params, Files(**written))
    agreement = overlap.dice(images.read(written["tissue"], np.uint8).data == 2, head(3)[1] == 2, "skip")
    assert read_json(tmp_path / "found.json")["dice GM"] == pytest.approx(agreement)
    assert read_json(tmp_path / "0.json")["Backend"] == "labeller"
