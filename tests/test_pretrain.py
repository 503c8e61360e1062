from dataclasses import asdict, replace

import numpy as np
import pytest
import small
import torch
from bad_settings import small_state
from safetensors.torch import load_file

from headstart import pretrain
from headstart.job import UserError, read_json, sha256
from headstart.networks.expected_input import ExpectedInput
from headstart.networks.external_weights import WeightFile
from headstart.networks.start import Start
from headstart.pretrain import PretrainSettings, hold_out, scratch
from headstart.slices import store
from headstart.training.checkpoint import Checkpoint
from headstart.training.restoring import MaskedAutoEncoding, Restoring
from headstart.training.source_tasks import SourceTaskSpec
from headstart.training.tasks import AutoEncoding, Classification, Segmentation
from headstart.training.trainer import DivergedError

SMALL = small.architecture()
TRAINING = small.training(2, batch_size=4, precision="float32")
TISSUES = SourceTaskSpec("segmentation", ("background", "CSF", "GM", "WM"))
SPECS = {
    "segmentation": TISSUES,
    "autoencoding": SourceTaskSpec("autoencoding"),
    "classification": SourceTaskSpec("classification", ("low", "high"), activation="softmax"),
    "masked-autoencoding": SourceTaskSpec("masked-autoencoding", hidden=0.5, patch=8),
    "restoring": SourceTaskSpec("restoring"),
}


@pytest.fixture
def scans(tmp_path):
    """Images of three scans, and targets for each kind of task."""
    rng = np.random.default_rng(0)
    found = {"images": []} | {kind: [] for kind in SPECS}
    for scan in range(3):
        labels = np.sort(rng.integers(0, 4, (4, 32, 32)), axis=1)
        for kind in ("images", "segmentation", "classification"):
            found[kind].append(tmp_path / f"{scan}_{kind}.npy")
        store.write_image(found["images"][-1], labels / 4 + 0.2 * rng.random(labels.shape))
        store.write_labels(found["segmentation"][-1], labels)
        store.write_presence(found["classification"][-1], np.eye(2, dtype=np.uint8)[[0, 1, 0, 1]])
    return found


def pretrained(scans, kind, training=TRAINING, held_out=0, augment=None, start=None):
    settings = PretrainSettings(
        spec=SPECS[kind],
        architecture=SMALL,
        training=training,
        seed=1,
        held_out=held_out,
        augment=augment,
        synthesis=None,
        origin="lower",
        resident_gb=None,
    )
    return pretrain.pretrain(scans["images"], scans[kind], settings, start=start)


@pytest.mark.parametrize("kind", SPECS)
def test_the_encoder_is_not_trained_on_held_out_scans(scans, kind, monkeypatch):
    read = []
    joined = store.SliceArray
    monkeypatch.setattr(store, "SliceArray", lambda paths: read.append(list(paths)) or joined(paths))
    source = pretrained(scans, kind, held_out=1)
    trained, validated = (paths for paths in read if paths[0] in scans["images"])
    assert len(trained) == 2
    assert len(validated) == 1
    assert not set(trained) & set(validated)
    assert len(source.history) == 2
    assert all(np.isfinite(row["validation"]) for row in source.history)
    start = scratch(SMALL, 1).encoder
    assert not torch.equal(source.encoder.conv1.weight, start.conv1.weight)
    metadata = source.metadata
    assert (metadata["kind"], metadata["files"], metadata["held_out_files"], metadata["slices"]) == (kind, 2, 1, 8)
    assert metadata["size"] == [32, 32]
    assert metadata["origin"] == "lower"
    assert metadata["training"]["precision"] == "float32"


@pytest.mark.parametrize("kind", SPECS)
def test_every_source_starts_from_the_same_encoder(scans, kind, monkeypatch):
    initial = {}
    monkeypatch.setattr(
        pretrain, "train", lambda model, *rest, **options: initial.update(model.encoder.state_dict()) or []
    )
    pretrained(scans, kind)
    start = scratch(SMALL, 1).encoder.state_dict()
    assert all(torch.equal(initial[name], start[name]) for name in start)


@pytest.fixture
def other(scans, tmp_path):
    """A source that was trained to segment, as a start with its decoder, and as one without."""
    path = tmp_path / "other/encoder.safetensors"
    pretrain.save(pretrained(scans, "segmentation"), path, "other", {"size": [32, 32]})
    expects = {"size": [32, 32]}
    return Start(path, path.with_name("decoder.safetensors"), expects), Start(path, None, expects)


@pytest.mark.parametrize(("kind", "fitting"), [("segmentation", 10), ("restoring", 9), ("classification", 0)])
def test_a_source_that_continues_another_starts_with_what_fits_of_it(scans, other, kind, fitting, monkeypatch):
    begun = []

    def keep(model, *rest, **options):
        begun.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return []

    monkeypatch.setattr(pretrain, "train", keep)
    made = [pretrained(scans, kind, start=start) for start in (*other, None)]
    whole, encoder, alone = begun
    for name, tensor in load_file(other[0].encoder).items():
        assert torch.equal(whole[f"encoder.{name}"], tensor)
        assert torch.equal(encoder[f"encoder.{name}"], tensor)
    given = load_file(other[0].decoder)
    weights = {name: tensor for name, tensor in given.items() if name.endswith("weight") and tensor.ndim == 4}
    taken = [name for name, tensor in weights.items() if torch.equal(whole.get(f"decoder.{name}", tensor[:0]), tensor)]
    assert len(taken) == fitting
    assert all(torch.equal(encoder[name], alone[name]) for name in alone if not name.startswith("encoder."))
    hashes = {path.name: sha256(path) for path in (other[0].encoder, other[0].decoder)}
    assert made[0].metadata["start_sha256"] == hashes
    assert made[1].metadata["start_sha256"] == {"encoder.safetensors": hashes["encoder.safetensors"]}
    assert "start_sha256" not in made[2].metadata


def test_a_start_that_was_made_for_another_study_is_refused(scans, other):
    with pytest.raises(UserError, match="says size is .*32, 32.* but this study needs .*64"):
        pretrained(scans, "restoring", start=replace(other[0], expects={"size": [64, 64]}))


@pytest.mark.parametrize("kind", SPECS)
def test_the_same_seed_gives_the_same_encoder(scans, kind):
    first, again = (pretrained(scans, kind) for _ in range(2))
    assert all(map(torch.equal, first.encoder.state_dict().values(), again.encoder.state_dict().values()))
    assert first.history == again.history
    assert first.metadata == again.metadata
    assert first.history[0]["validation"] is None


def test_metadata_depend_on_the_data_and_the_loss(scans):
    short = replace(TRAINING, epochs=1)
    metadata = pretrained(scans, "segmentation", short).metadata
    store.write_labels(scans["segmentation"][0], np.tri(32, dtype=np.uint8)[None].repeat(4, axis=0))
    assert pretrained(scans, "segmentation", short).metadata["data_sha256"] != metadata["data_sha256"]
    assert len(metadata["class_weights"]) == 4
    assert metadata["classes"] == list(TISSUES.classes)
    assert pretrained(scans, "classification", short).metadata["activation"] == "softmax"
    assert pretrained(scans, "autoencoding", short).metadata["loss_weights"] == {"l1": 0.996, "gan": 0.004}


def test_the_discriminators_balance_is_in_the_history(scans):
    row = pretrained(scans, "autoencoding").history[-1]
    assert row["loss"] == pytest.approx(0.996 * row["l1"] + 0.004 * row["gan"], rel=1e-5)
    assert row["discriminator"] > 0
    assert 0 <= row["real_accuracy"] <= 1
    assert 0 <= row["generated_accuracy"] <= 1


def test_a_source_is_saved_with_its_metadata_examples_and_card(scans, tmp_path):
    source = pretrained(scans, "segmentation", held_out=1)
    pretrain.save(source, tmp_path / "out/encoder.safetensors", "t1-segmentation", {"size": [32, 32]})
    state = load_file(tmp_path / "out/encoder.safetensors")
    assert torch.equal(state["conv1.weight"], source.encoder.conv1.weight)
    metadata = read_json(tmp_path / "out/model.json")
    assert metadata["source"] == "t1-segmentation"
    assert metadata["measure"] == "mean IoU"
    with np.load(tmp_path / "out/examples.npz") as examples:
        shapes = {name: examples[name].shape for name in examples}
    assert shapes == dict.fromkeys(("images", "outputs", "targets"), (4, 32, 32))
    card = (tmp_path / "out/README.md").read_text()
    for text in ("resnet18", "8 slices in 2 files", "mean IoU on held-out slices"):
        assert text in card


def test_a_slice_that_was_restored_is_an_example_beside_its_original(scans):
    source = pretrained(scans, "masked-autoencoding", held_out=1)
    shown, original = source.examples["images"] / 65535, source.examples["targets"]
    assert source.metadata["hidden"] == 0.5
    assert source.metadata["patch"] == 8
    changed = np.abs(shown - original) > 1e-6
    assert 0.3 < changed.mean() <= 0.5  # half, less what was black before
    assert not shown[changed].any()


def test_an_untrained_source_is_saved_too(tmp_path):
    pretrain.save(scratch(SMALL, 1), tmp_path / "encoder.safetensors", "scratch", {"size": [32, 32]})
    with np.load(tmp_path / "examples.npz") as examples:
        assert not examples.files
    assert "trained on: nothing" in (tmp_path / "README.md").read_text()


def test_a_file_of_weights_is_saved_with_what_it_expects_and_the_same_seed_gives_the_same_bytes(tmp_path):
    torch.save(small_state(SMALL.encoder), tmp_path / "weights.pth")
    grey = ExpectedInput((0.5,), (0.25,))
    for name, expects in (("plain", None), ("grey", grey), ("again", grey)):
        made = pretrain.from_file(WeightFile(tmp_path / "weights.pth", None, None, expects), SMALL, 1)
        pretrain.save(made, tmp_path / name / "encoder.safetensors", "file", {"size": [32, 32]})
    kept = {name: read_json(tmp_path / name / "model.json") for name in ("plain", "grey")}
    assert kept["grey"]["file_expects"] == {"mean": [0.5], "std": [0.25]}
    assert kept["grey"]["tensors"]["adapted"] == ["conv1.weight", "bn1.running_mean"]
    assert "file_expects" not in kept["plain"]
    assert kept["plain"]["tensors"]["adapted"] == []
    assert "- adapted: 2 tensors (conv1.weight, bn1.running_mean)" in (tmp_path / "grey/README.md").read_text()
    same = [(tmp_path / name / "encoder.safetensors").read_bytes() for name in ("grey", "again")]
    assert same[0] == same[1]


def test_a_source_that_continues_another_and_was_stopped_ends_in_the_same_bytes(scans, other, tmp_path, monkeypatch):
    def run(folder):
        paths = [list(map(str, scans[kind])) for kind in ("images", "segmentation")]
        described = small.pretraining(tmp_path / folder, asdict(TISSUES), *paths, TRAINING, "next")
        start = {"encoder": str(other[0].encoder), "decoder": str(other[0].decoder)}
        about = {"dataset": "cohort", "left_out": [], "start": "other", "repeat": 2}
        pretrain.run(described | {"start": start, "about": about}, "cpu")
        names = ("encoder.safetensors", "decoder.safetensors", "model.json", "README.md")
        return [(tmp_path / folder / name).read_bytes() for name in names]

    def stop():
        """Stop a training after its third step of four."""
        written, write = [], Checkpoint.write

        def stopping(checkpoint, state):
            write(checkpoint, state)
            written.append(1)
            if len(written) == 3:
                raise KeyboardInterrupt

        with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
            stopped.setattr(Checkpoint, "write", stopping)
            run("stopped")

    whole = run("whole")
    metadata = read_json(tmp_path / "whole/model.json")
    assert (metadata["start"], metadata["repeat"]) == ("other", 2)
    assert b"started from: the source other of the same study" in whole[3]
    stop()
    assert run("stopped") == whole
    stop()
    changed = pretrained(scans, "segmentation", replace(TRAINING, learning_rate=1e-3))
    pretrain.save(changed, other[0].encoder, "other", {"size": [32, 32]})
    changed = run("stopped")  # not from the state of the training that had another start
    assert changed == run("whole")
    assert changed[0] != whole[0]


def test_divergence_keeps_the_encoder_of_the_last_good_epoch(scans, monkeypatch):
    after_one = pretrained(scans, "segmentation", replace(TRAINING, epochs=1, decay_after=1))
    calls, original = [], Segmentation.loss

    def failing(task, output, images, targets):
        calls.append(1)
        value = original(task, output, images, targets)
        return value * float("nan") if len(calls) > 3 else value

    monkeypatch.setattr(Segmentation, "loss", failing)
    with pytest.raises(DivergedError, match="diverged in epoch 2") as stopped:
        pretrained(scans, "segmentation", replace(TRAINING, decay_after=1))
    kept, good = stopped.value.encoder.state_dict(), after_one.encoder.state_dict()
    assert all(torch.equal(kept[name], good[name]) for name in good)


CLASSES = {
    "segmentation": Segmentation,
    "autoencoding": AutoEncoding,
    "classification": Classification,
    "masked-autoencoding": MaskedAutoEncoding,
    "restoring": Restoring,
}


@pytest.mark.parametrize("kind", SPECS)
def test_a_source_is_trained_on_its_augmented_slices(scans, kind, monkeypatch):
    """Label maps follow; what classification recognises stays; what is restored is the slice as it was changed."""
    seen, loss = [], CLASSES[kind].loss

    def recorded(task, output, images, targets):
        seen.append((images, targets))
        return loss(task, output, images, targets)

    monkeypatch.setattr(CLASSES[kind], "loss", recorded)
    plain, changed = (pretrained(scans, kind, augment=augment) for augment in (None, small.augmentation()))
    assert not torch.equal(plain.encoder.conv1.weight, changed.encoder.conv1.weight)
    assert (plain.metadata["augment"], changed.metadata["augment"]["mirror"]) == (None, True)
    (images, targets), (other_images, other_targets) = seen[0], seen[len(seen) // 2]
    assert not torch.equal(images, other_images)
    if kind == "autoencoding":
        assert other_targets is None
    else:
        assert torch.equal(targets, other_targets) == (kind == "classification")


def test_a_source_with_augmentation_that_was_stopped_ends_in_the_same_bytes(scans, tmp_path, monkeypatch):
    chance = {"probability": 0.5, "low": 0.7, "high": 1.4}
    augment = {"scale": chance, "gamma": chance, "mirror": True}

    def run(folder, augment=augment):
        paths = [list(map(str, scans[kind])) for kind in ("images", "segmentation")]
        described = small.pretraining(tmp_path / folder, asdict(TISSUES), *paths, TRAINING, "t1-segmentation")
        pretrain.run(described | {"augment": augment}, "cpu")
        names = ("encoder.safetensors", "decoder.safetensors", "model.json", "training.tsv")
        return [(tmp_path / folder / name).read_bytes() for name in names]

    whole = run("whole")
    assert run("plain", augment=None)[0] != whole[0]
    written, write = [], Checkpoint.write

    def stopping(checkpoint, state):
        write(checkpoint, state)
        written.append(1)
        if len(written) == 3:  # of four steps
            raise KeyboardInterrupt

    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr(Checkpoint, "write", stopping)
        run("stopped")
    assert (tmp_path / "stopped/state").exists()
    assert run("stopped") == whole


def test_a_state_belongs_to_the_slices_settings_and_code_of_a_pre_training(scans, tmp_path, monkeypatch):
    class Decided(Exception):
        pass

    def decided(_state, _minutes, _precision, _device, *decides):
        raise Decided(decides)

    monkeypatch.setattr(pretrain, "of_training", decided)
    paths = [list(map(str, scans[kind])) for kind in ("images", "segmentation")]
    described = small.pretraining(tmp_path, asdict(TISSUES), *paths, TRAINING, "s")

    def identity(**changes):
        with pytest.raises(Decided) as found:
            pretrain.run(described | changes, "cpu")
        return found.value.args

    same = identity()
    assert same == identity(state=str(tmp_path / "elsewhere"), minutes=9, resident_gb=1)
    for changes in ({"identity": "other code"}, {"seed": 2}, {"held_out": 2}):
        assert same != identity(**changes)
    store.write_image(scans["images"][0], store.read(scans["images"][0])[::-1] / store.SCALE)
    assert same != identity()


def test_scratch_is_the_encoder_that_training_starts_from():
    source = scratch(SMALL, 1)
    again, other = scratch(SMALL, 1).encoder, scratch(SMALL, 2).encoder
    assert torch.equal(source.encoder.conv1.weight, again.conv1.weight)
    assert not torch.equal(source.encoder.conv1.weight, other.conv1.weight)
    assert not source.history
    assert source.metadata["kind"] == "scratch"
    assert source.metadata["encoder"] == "resnet18"


def test_the_seed_determines_which_scans_are_held_out():
    kept, held_out = hold_out(10, 3, seed=1)
    assert sorted(kept + held_out) == list(range(10))
    assert len(held_out) == 3
    assert hold_out(10, 3, seed=1) == (kept, held_out)
    assert len({tuple(hold_out(10, 3, seed)[1]) for seed in range(5)}) > 1
    assert hold_out(2, 0, seed=1) == ([0, 1], [])


def test_at_least_one_scan_must_be_left_to_train_on():
    with pytest.raises(UserError, match="held_out is 3 but the source has 3 scans"):
        hold_out(3, 3, seed=1)
