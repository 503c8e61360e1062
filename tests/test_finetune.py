import numpy as np
import pytest
import torch

from headstart import finetune as room
from headstart import models, store
from headstart.finetune import finetune
from headstart.job import UserError
from headstart.loop import Training
from headstart.networks import Architecture
from headstart.pretrain import scratch

SMALL = Architecture("resnet18", decoder_widths=(8, 8, 8, 8, 4, 4, 4, 4, 4))
SETTINGS = Training(1, batch_size=4, precision="float32")


@pytest.fixture
def source(tmp_path):
    def make(seed):
        path = tmp_path / f"source{seed}" / "encoder.safetensors"
        made = scratch(SMALL, seed)
        models.save(made.encoder, path, {**made.facts, "template": "phantom"}, made.history)
        return path

    return make


@pytest.fixture
def scan(tmp_path):
    labels = np.zeros((5, 32, 32), np.uint8)
    labels[:, 8:16, 8:16] = 1
    store.write_labels(tmp_path / "labels.npy", labels)
    store.write_image(tmp_path / "image.npy", labels * 0.5 + 0.1)
    return [tmp_path / "image.npy"], [tmp_path / "labels.npy"]


def test_training_starts_from_the_sources_encoder_and_a_decoder_of_its_own(source, scan, monkeypatch):
    starts = []

    def look(model, *_, **__):
        starts.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return []

    monkeypatch.setattr(room, "train", look)
    for seed in (1, 2):
        finetune(source(seed), *scan, 2, SMALL, SETTINGS, seed=9)
    given = [models.read_state(source(seed)) for seed in (1, 2)]
    for start, encoder in zip(starts, given, strict=True):
        assert all(torch.equal(start[f"encoder.{name}"], tensor) for name, tensor in encoder.items())
    decoders = [{name: t for name, t in start.items() if name.startswith("decoder.")} for start in starts]
    assert decoders[0] and all(torch.equal(decoders[0][name], decoders[1][name]) for name in decoders[0])


def test_the_loss_is_weighted_by_the_median_frequency_of_these_labels(source, scan, monkeypatch):
    seen = []
    monkeypatch.setattr(room, "train", lambda *arguments, **_: seen.append(arguments[3]) or [])
    finetune(source(1), *scan, 2, SMALL, SETTINGS, seed=9)
    # frequencies 960/1024 and 64/1024: the median of two is 1/2
    assert seen[0].weights.tolist() == pytest.approx([8 / 15, 8])


def test_everything_is_trained_and_the_seed_decides(source, scan):
    path = source(1)
    (first, history), (again, _) = (finetune(path, *scan, 2, SMALL, SETTINGS, seed=9) for _ in range(2))
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert len(history) == 1 and not first.training
    given = models.read_state(path)
    still = [name for name, p in first.encoder.named_parameters() if torch.equal(p, given[name])]
    assert not still
    other, _ = finetune(path, *scan, 2, SMALL, SETTINGS, seed=10)
    assert not torch.equal(first.decoder.layers[0][0].weight, other.decoder.layers[0][0].weight)


def test_a_source_made_for_another_study_is_refused(source, scan):
    with pytest.raises(UserError, match="template is 'phantom' but this study needs 'MNI'"):
        finetune(source(1), *scan, 2, SMALL, SETTINGS, seed=9, expect={"template": "MNI"})
    with pytest.raises(UserError, match="encoder is 'resnet18' but this study needs 'resnet34'"):
        finetune(source(1), *scan, 2, Architecture("resnet34"), SETTINGS, seed=9)
