import numpy as np
import pytest
import torch

from headstart import store
from headstart.job import UserError
from headstart.loop import Training
from headstart.networks import Architecture
from headstart.pretrain import hold_out, pretrain_segmentation, scratch

SMALL = Architecture("resnet18", decoder_widths=(8, 8, 8, 8, 4, 4, 4, 4, 4))
SETTINGS = Training(2, batch_size=4, precision="float32")


@pytest.fixture
def scans(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for scan in range(3):
        labels = np.sort(rng.integers(0, 4, (4, 32, 32)), axis=1)
        paths.append((tmp_path / f"{scan}_image.npy", tmp_path / f"{scan}_labels.npy"))
        store.write_image(paths[-1][0], labels / 4 + 0.2 * rng.random(labels.shape))
        store.write_labels(paths[-1][1], labels)
    return [list(column) for column in zip(*paths, strict=True)]


def test_the_encoder_learns_from_the_kept_scans_alone(scans, monkeypatch):
    read = []
    gather_pairs = store.gather_pairs
    monkeypatch.setattr(store, "gather_pairs", lambda *paths: read.append(paths) or gather_pairs(*paths))
    encoder, history, facts = pretrain_segmentation(*scans, 4, SMALL, SETTINGS, 1, validation_scans=1)
    (trained, _), (validated, _) = read
    assert len(trained) == 2 and len(validated) == 1 and not set(trained) & set(validated)
    assert len(history) == 2 and all(0 <= row["validation"] <= 1 for row in history)
    start = scratch(SMALL, 1)[0]
    assert not torch.equal(encoder.conv1.weight, start.conv1.weight)
    assert (facts["scans"], facts["validation_scans"], facts["classes"], facts["size"]) == (2, 1, 4, [32, 32])
    assert facts["training"]["precision"] == "float32"


def test_the_same_seed_gives_the_same_encoder(scans):
    first, again = (pretrain_segmentation(*scans, 4, SMALL, SETTINGS, 1) for _ in range(2))
    assert all(map(torch.equal, first[0].state_dict().values(), again[0].state_dict().values()))
    assert first[1:] == again[1:]
    assert first[1][0]["validation"] is None


def test_facts_tell_the_data_apart(scans):
    few = Training(1, batch_size=4, precision="float32")
    facts = pretrain_segmentation(*scans, 4, SMALL, few, 1)[2]
    store.write_labels(scans[1][0], np.tri(32, dtype=np.uint8)[None].repeat(4, axis=0))
    assert pretrain_segmentation(*scans, 4, SMALL, few, 1)[2]["data_sha256"] != facts["data_sha256"]


def test_scratch_is_the_encoder_that_training_starts_from():
    encoder, history, facts = scratch(SMALL, 1)
    again, other = scratch(SMALL, 1)[0], scratch(SMALL, 2)[0]
    assert torch.equal(encoder.conv1.weight, again.conv1.weight)
    assert not torch.equal(encoder.conv1.weight, other.conv1.weight)
    assert history == [] and facts["kind"] == "scratch" and facts["encoder"] == "resnet18"


def test_scans_are_held_out_whole_and_by_the_seed():
    kept, held_out = hold_out(10, 3, seed=1)
    assert sorted(kept + held_out) == list(range(10)) and len(held_out) == 3
    assert hold_out(10, 3, seed=1) == (kept, held_out)
    assert len({tuple(hold_out(10, 3, seed)[1]) for seed in range(5)}) > 1
    assert hold_out(2, 0, seed=1) == ([0, 1], [])


def test_some_scan_must_be_left_to_train_on():
    with pytest.raises(UserError, match="validation_scans is 3 but the source has 3 scans"):
        hold_out(3, 3, seed=1)
