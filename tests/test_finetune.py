from dataclasses import replace

import numpy as np
import pytest
import small
import torch

from headstart import finetune as module
from headstart.finetune import FinetuneSettings, TrainingSet, finetune
from headstart.job import UserError, sha256
from headstart.networks import model_files
from headstart.networks.start import Start
from headstart.pretrain import scratch
from headstart.slices import store

SMALL = small.architecture()
SETTINGS = FinetuneSettings(
    architecture=SMALL,
    training=small.training(1, batch_size=4, precision="float32"),
    classes=("background", "lesion"),
    expects={},
    augment=None,
    runs_per_gpu=1,
    resident_gb=None,
)


@pytest.fixture
def source(tmp_path):
    def make(seed, untrained=()):
        path = tmp_path / f"source{seed}" / "encoder.safetensors"
        made = scratch(SMALL, seed)
        about = {**made.metadata, "template": "phantom", "untrained": untrained}
        model_files.save(made.encoder, path, about, made.history)
        return path

    return make


@pytest.fixture
def scan(tmp_path):
    labels = np.zeros((5, 32, 32), np.uint8)
    labels[:, 8:16, 8:16] = 1
    store.write_labels(tmp_path / "labels.npy", labels)
    store.write_image(tmp_path / "image.npy", labels * 0.5 + 0.1)
    return [tmp_path / "image.npy"], [tmp_path / "labels.npy"]


def tuned(encoder, scans, *draws, device="auto", decoder_path=None, **changes):
    settings = replace(SETTINGS, **changes)
    starts = [Start(encoder, decoder_path, settings.expects)] * len(draws)
    return list(finetune(starts, *scans, draws, settings, device=device))


def observe(monkeypatch, look):
    """Call ``look(model, task)`` for each training that starts."""

    class Observed(module.Trainer):
        def __init__(self, model, slices, task, *arguments, **options):
            super().__init__(model, slices, task, *arguments, **options)
            look(model, task)

    monkeypatch.setattr(module, "Trainer", Observed)


def test_training_starts_from_the_encoder_of_the_source_and_the_same_decoder_for_all(source, scan, monkeypatch):
    starts = []
    observe(monkeypatch, lambda model, _: starts.append({n: t.clone() for n, t in model.state_dict().items()}))
    for seed in (1, 2):
        tuned(source(seed), scan, TrainingSet([0], 9))
    given = [model_files.read_state(source(seed)) for seed in (1, 2)]
    for start, encoder in zip(starts, given, strict=True):
        assert all(torch.equal(start[f"encoder.{name}"], tensor) for name, tensor in encoder.items())
    decoders = [{name: t for name, t in start.items() if name.startswith("decoder.")} for start in starts]
    assert decoders[0]
    assert all(torch.equal(decoders[0][name], decoders[1][name]) for name in decoders[0])


def test_training_sets_may_start_from_different_encoders(source, scan):
    starts = [Start(source(seed), None, {}) for seed in (1, 2, 1)]
    mixed = list(finetune(starts, *scan, [TrainingSet([0], 9)] * 3, SETTINGS))
    for (model, _), start in zip(mixed, starts, strict=True):
        ((alone, _),) = tuned(start.encoder, scan, TrainingSet([0], 9))
        assert all(map(torch.equal, model.state_dict().values(), alone.state_dict().values()))
    first, second = (model.encoder.conv1.weight for model, _ in mixed[:2])
    assert not torch.equal(first, second)


def test_what_is_untrained_starts_anew_with_each_draw_and_the_same_for_every_source(source, scan, monkeypatch):
    starts = []
    observe(monkeypatch, lambda model, _: starts.append(model.encoder.conv1.weight.detach().clone()))
    for path in (source(1, ["conv1.weight"]), source(2, ["conv1.weight"])):
        tuned(path, scan, TrainingSet([0], 9), TrainingSet([0], 10))
    assert not torch.equal(starts[0], starts[1])
    assert torch.equal(starts[0], starts[2])
    assert torch.equal(starts[1], starts[3])
    given = model_files.read_state(source(1))["conv1.weight"]
    assert not any(torch.equal(start, given) for start in starts)


def test_of_a_whole_network_all_that_fits_is_transferred(scan, tmp_path, monkeypatch):
    starts = []
    observe(monkeypatch, lambda model, _: starts.append({n: t.clone() for n, t in model.state_dict().items()}))
    unet = small.architecture(decoder="unet")
    made = scratch(unet, 1)
    path = tmp_path / "encoder.safetensors"
    trained = unet.make_decoder(5, 3)
    about = {**made.metadata, "untrained": [], "classes": list("abcde")}
    model_files.save(made.encoder, path, about, made.history, {"decoder.safetensors": trained})
    tuned(path, scan, TrainingSet([0], 9), architecture=unet, decoder_path=tmp_path / "decoder.safetensors")
    tuned(path, scan, TrainingSet([0], 9), architecture=unet)
    whole, encoder = starts
    for name, tensor in trained.state_dict().items():
        if name.startswith("scores."):  # five classes do not fit two
            assert torch.equal(whole[f"decoder.{name}"], encoder[f"decoder.{name}"])
        else:
            assert torch.equal(whole[f"decoder.{name}"], tensor)


def test_the_loss_is_weighted_by_the_median_frequency_of_these_labels(source, scan, monkeypatch):
    seen = []
    observe(monkeypatch, lambda _, task: seen.append(task.weights.tolist()))
    tuned(source(1), scan, TrainingSet([0], 9))
    # Frequencies 960/1024 and 64/1024: the median of two is their mean, 1/2.
    assert seen == [pytest.approx([8 / 15, 8])]


def test_the_labels_of_a_scan_are_counted_once_for_all_training_sets(source, tmp_path, monkeypatch):
    rng, seen, counted = np.random.default_rng(0), [], []
    paths = [[tmp_path / f"{kind}{n}.npy" for n in range(3)] for kind in ("image", "labels")]
    labels = [(rng.random((3, 32, 32)) < chance).astype(np.uint8) for chance in (0.1, 0.2, 0.4)]
    for image, path, scan in zip(*paths, labels, strict=True):
        store.write_image(image, rng.random((3, 32, 32)))
        store.write_labels(path, scan)
    count = module.class_counts
    monkeypatch.setattr(module, "class_counts", lambda *each: counted.append(1) or count(*each))
    observe(monkeypatch, lambda _, task: seen.append(task.weights.tolist()))
    sets = ([0, 2], [1, 2], [0, 1], [2])
    tuned(source(1), paths, *(TrainingSet(scans, 1) for scans in sets))
    assert len(counted) == 3
    for weights, scans in zip(seen, sets, strict=True):
        share = np.mean([labels[scan] for scan in scans])
        assert weights == pytest.approx([0.5 / (1 - share), 0.5 / share])


def test_all_of_the_encoder_is_trained_and_the_seed_determines_the_model(source, scan):
    path = source(1)
    (first, history), (again, _), (other, _) = tuned(
        path, scan, TrainingSet([0], 9), TrainingSet([0], 9), TrainingSet([0], 10)
    )
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert len(history) == 1
    assert not first.training
    given = model_files.read_state(path)
    unchanged = [name for name, p in first.encoder.named_parameters() if torch.equal(p, given[name])]
    assert not unchanged
    assert not torch.equal(first.decoder.layers[0][0].weight, other.decoder.layers[0][0].weight)


def test_the_draws_of_one_job_do_not_influence_each_other(source, tmp_path):
    rng = np.random.default_rng(0)
    paths = [[tmp_path / f"{kind}{n}.npy" for n in range(3)] for kind in ("image", "labels")]
    for image, labels in zip(*paths, strict=True):
        store.write_image(image, rng.random((3, 32, 32)))
        store.write_labels(labels, rng.integers(0, 2, (3, 32, 32)))
    together = tuned(source(1), paths, TrainingSet([0, 2], 1), TrainingSet([1, 2], 2), device="cpu", runs_per_gpu=2)
    for (model, history), scans, seed in zip(together, ([0, 2], [1, 2]), (1, 2), strict=True):
        ((alone, rows),) = tuned(source(1), [[kind[n] for n in scans] for kind in paths], TrainingSet([0, 1], seed))
        assert history == rows
        assert all(map(torch.equal, model.state_dict().values(), alone.state_dict().values()))


def test_a_source_made_for_another_study_is_refused(source, scan):
    with pytest.raises(UserError, match="template is 'phantom' but this study needs 'MNI'"):
        tuned(source(1), scan, TrainingSet([0], 9), expects={"template": "MNI"})
    with pytest.raises(UserError, match="encoder is 'resnet18' but this study needs 'resnet34'"):
        tuned(source(1), scan, TrainingSet([0], 9), architecture=small.architecture(encoder="resnet34"))


def test_metadata_describe_the_draw_and_what_a_prediction_needs(source, scan):
    images, labels = (paths * 2 for paths in scan)
    about = {"source": "scratch", "target": "stroke", "discard_mm": {"top": 0, "bottom": 0}}
    settings = replace(SETTINGS, expects={"size": [32, 32]})
    found = module.metadata(settings, TrainingSet([1], 9), images, labels, Start(source(1), None, {}).hashes(), about)
    assert found["kind"] == "segmentation"
    assert found["classes"] == ["background", "lesion"]
    assert found["training"]["epochs"] == 1
    assert found["network"]["encoder"] == "resnet18"
    assert found["seed"] == 9
    assert found["size"] == [32, 32]
    assert found["start_sha256"] == {"encoder.safetensors": sha256(source(1))}
    assert found["data_sha256"] == store.fingerprint([images[1], labels[1]])
    assert {key: found[key] for key in about} == about
