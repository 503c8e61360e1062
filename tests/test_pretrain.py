import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from headstart import pretrain
from headstart.job import UserError, read_json
from headstart.networks.architectures import Architecture
from headstart.pretrain import SourceTaskSpec, hold_out, scratch
from headstart.slices import store
from headstart.training.trainer import DivergedError, Training

SMALL = Architecture("resnet18", decoder_widths=(8, 8, 8, 8, 4, 4, 4, 4, 4))
SETTINGS = Training(2, batch_size=4, precision="float32")
TISSUES = SourceTaskSpec("segmentation", ("background", "CSF", "GM", "WM"))
ASKED = {
    "segmentation": TISSUES,
    "autoencoding": SourceTaskSpec("autoencoding"),
    "classification": SourceTaskSpec("classification", ("low", "high"), activation="softmax"),
}


@pytest.fixture
def scans(tmp_path):
    """Images of three scans, and for each kind of task what answers it."""
    rng = np.random.default_rng(0)
    found = {"images": [], "segmentation": [], "classification": [], "autoencoding": []}
    for scan in range(3):
        labels = np.sort(rng.integers(0, 4, (4, 32, 32)), axis=1)
        for kind in ("images", "segmentation", "classification"):
            found[kind].append(tmp_path / f"{scan}_{kind}.npy")
        store.write_image(found["images"][-1], labels / 4 + 0.2 * rng.random(labels.shape))
        store.write_labels(found["segmentation"][-1], labels)
        store.write_presence(found["classification"][-1], np.eye(2, dtype=np.uint8)[[0, 1, 0, 1]])
    return found


def learn(scans, kind, training=SETTINGS, **options):
    return pretrain.pretrain(ASKED[kind], scans["images"], scans[kind], SMALL, training, 1, **options)


@pytest.mark.parametrize("kind", ASKED)
def test_the_encoder_learns_from_the_kept_scans_alone(scans, kind, monkeypatch):
    read = []
    joined = store.SliceArray
    monkeypatch.setattr(store, "SliceArray", lambda paths: read.append(list(paths)) or joined(paths))
    source = learn(scans, kind, held_out_files=1)
    trained, validated = (paths for paths in read if paths[0] in scans["images"])
    assert len(trained) == 2 and len(validated) == 1 and not set(trained) & set(validated)
    assert len(source.history) == 2 and all(np.isfinite(row["validation"]) for row in source.history)
    start = scratch(SMALL, 1).encoder
    assert not torch.equal(source.encoder.conv1.weight, start.conv1.weight)
    metadata = source.metadata
    assert (metadata["kind"], metadata["files"], metadata["held_out_files"], metadata["slices"]) == (kind, 2, 1, 8)
    assert metadata["size"] == [32, 32] and metadata["training"]["precision"] == "float32"


@pytest.mark.parametrize("kind", ASKED)
def test_every_source_starts_from_the_same_encoder(scans, kind, monkeypatch):
    begun = {}
    monkeypatch.setattr(
        pretrain, "train", lambda model, *rest, **options: begun.update(model.encoder.state_dict()) or []
    )
    learn(scans, kind)
    start = scratch(SMALL, 1).encoder.state_dict()
    assert all(torch.equal(begun[name], start[name]) for name in start)


@pytest.mark.parametrize("kind", ASKED)
def test_the_same_seed_gives_the_same_encoder(scans, kind):
    first, again = (learn(scans, kind) for _ in range(2))
    assert all(map(torch.equal, first.encoder.state_dict().values(), again.encoder.state_dict().values()))
    assert first.history == again.history and first.metadata == again.metadata
    assert first.history[0]["validation"] is None


def test_facts_tell_the_data_and_the_loss_apart(scans):
    few = Training(1, batch_size=4, precision="float32")
    metadata = learn(scans, "segmentation", few).metadata
    store.write_labels(scans["segmentation"][0], np.tri(32, dtype=np.uint8)[None].repeat(4, axis=0))
    assert learn(scans, "segmentation", few).metadata["data_sha256"] != metadata["data_sha256"]
    assert len(metadata["class_weights"]) == 4 and metadata["classes"] == list(TISSUES.classes)
    assert learn(scans, "classification", few).metadata["activation"] == "softmax"
    assert learn(scans, "autoencoding", few).metadata["loss_weights"] == {"l1": 0.996, "gan": 0.004}


def test_the_discriminators_balance_is_in_the_history(scans):
    row = learn(scans, "autoencoding").history[-1]
    assert row["loss"] == pytest.approx(0.996 * row["l1"] + 0.004 * row["gan"], rel=1e-5)
    assert row["discriminator"] > 0 and 0 <= row["real_known"] <= 1 and 0 <= row["made_known"] <= 1


def test_a_source_is_saved_with_all_that_describes_it(scans, tmp_path):
    source = learn(scans, "segmentation", held_out_files=1)
    pretrain.save(source, tmp_path / "out/encoder.safetensors", {"source": "t1-segmentation", "size": [32, 32]})
    state = load_file(tmp_path / "out/encoder.safetensors")
    assert torch.equal(state["conv1.weight"], source.encoder.conv1.weight)
    metadata = read_json(tmp_path / "out/model.json")
    assert metadata["source"] == "t1-segmentation" and metadata["measure"] == "mean IoU"
    with np.load(tmp_path / "out/examples.npz") as examples:
        shapes = {name: examples[name].shape for name in examples}
    assert shapes == dict.fromkeys(("images", "outputs", "targets"), (4, 32, 32))
    card = (tmp_path / "out/README.md").read_text()
    assert "resnet18" in card and "8 slices in 2 files" in card and "mean IoU on held-out slices" in card


def test_an_untrained_source_is_saved_too(tmp_path):
    pretrain.save(scratch(SMALL, 1), tmp_path / "encoder.safetensors", {"source": "scratch", "size": [32, 32]})
    with np.load(tmp_path / "examples.npz") as examples:
        assert not examples.files
    assert "trained on: nothing" in (tmp_path / "README.md").read_text()


def test_divergence_keeps_the_encoder_as_it_last_was_well(scans, monkeypatch):
    after_one = learn(scans, "segmentation", Training(1, batch_size=4, decay_after=1, precision="float32"))
    calls, original = [], pretrain.Segmentation.loss

    def failing(task, output, images, targets):
        calls.append(1)
        value = original(task, output, images, targets)
        return value * float("nan") if len(calls) > 3 else value

    monkeypatch.setattr(pretrain.Segmentation, "loss", failing)
    with pytest.raises(DivergedError, match="diverged in epoch 2") as stopped:
        learn(scans, "segmentation", Training(2, batch_size=4, decay_after=1, precision="float32"))
    kept, well = stopped.value.encoder.state_dict(), after_one.encoder.state_dict()
    assert all(torch.equal(kept[name], well[name]) for name in well)


def test_scratch_is_the_encoder_that_training_starts_from():
    source = scratch(SMALL, 1)
    again, other = scratch(SMALL, 1).encoder, scratch(SMALL, 2).encoder
    assert torch.equal(source.encoder.conv1.weight, again.conv1.weight)
    assert not torch.equal(source.encoder.conv1.weight, other.conv1.weight)
    assert not source.history and source.metadata["kind"] == "scratch" and source.metadata["encoder"] == "resnet18"


def test_scans_are_held_out_whole_and_by_the_seed():
    kept, held_out = hold_out(10, 3, seed=1)
    assert sorted(kept + held_out) == list(range(10)) and len(held_out) == 3
    assert hold_out(10, 3, seed=1) == (kept, held_out)
    assert len({tuple(hold_out(10, 3, seed)[1]) for seed in range(5)}) > 1
    assert hold_out(2, 0, seed=1) == ([0, 1], [])


def test_some_scan_must_be_left_to_train_on():
    with pytest.raises(UserError, match="held_out is 3 but the source has 3 scans"):
        hold_out(3, 3, seed=1)
