"""Scores of held-out slices in chunks: the same inputs and scores as of all slices at once."""

import numpy as np
import pytest
import small
import torch
from settings_of import CONFIG

from headstart.slices import store
from headstart.training import outputs
from headstart.training.restoring import MaskedAutoEncoding, Restoring
from headstart.training.synthesis import synthesis
from headstart.training.tasks import AutoEncoding, Classification, Segmentation

CPU = torch.device("cpu")
CLASSES = 3
TASKS = {
    "segmentation": lambda: Segmentation(np.ones(CLASSES), first=1),
    "autoencoding": lambda: AutoEncoding(small.architecture(), 1),
    "classification": lambda: Classification("abc", "sigmoid"),
    "masked-autoencoding": lambda: MaskedAutoEncoding(0.5, 8),
    "restoring": Restoring,
}


def as_float(images):
    return images.astype(np.float32) / 65535


def held_out(kind, count=150, size=16):
    """Blobs, more than two chunks of them, brighter from slice to slice, with noisy targets."""
    rng = np.random.default_rng(0)
    blobs = np.kron(rng.random((count, 4, 4)), np.ones((size // 4, size // 4)))
    images = store.to_uint16(0.5 * blobs + np.linspace(0, 0.5, count)[:, None, None])
    if kind == "segmentation":
        labels = (as_float(images) * 4).astype(np.uint8)  # 0 is of no class
        return images, np.where(rng.random(labels.shape) < 0.8, labels, 2).astype(np.uint8)
    if kind == "classification":
        brightness = images.mean((1, 2)) / 65535 + 0.3 * rng.standard_normal((CLASSES, count))
        return images, (brightness.T > [0.3, 0.5, 2]).astype(np.uint8)  # the last class is in no slice
    return images, None


class Stub(torch.nn.Module):
    """A network without weights, whose output follows from each pixel, or from the mean of the slice."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, images):
        if self.kind == "classification":
            return images.mean((1, 2, 3))[:, None] * torch.tensor([1.0, 2.0, 3.0])
        if self.kind == "segmentation":
            return torch.cat([-((images - k / 3) ** 2) for k in range(CLASSES)], 1)
        return 0.8 * images + 0.05


def by_hand(kind, predictions, images, targets):
    """The score of all slices at once."""
    if kind == "segmentation":
        taken = targets >= 1
        pairs = [(predictions[taken] == c, targets[taken] == c) for c in range(1, CLASSES + 1)]
        return np.mean([(found & true).sum() / (found | true).sum() for found, true in pairs if (found | true).any()])
    if kind == "classification":
        areas = []
        for scores, true in zip(predictions.T, targets.T, strict=True):
            if true.any():
                ahead = scores[true > 0][:, None] - scores[true == 0]
                areas.append(((ahead > 0) + 0.5 * (ahead == 0)).mean())
        return np.mean(areas)
    wanted = images if targets is None else targets
    judged = images != wanted if kind == "masked-autoencoding" else np.ones(images.shape, bool)
    predictions, wanted = (each[judged].astype(np.float64) for each in (predictions, wanted))
    return 1 - np.square(predictions - wanted).mean() / wanted.var()


def stored(tmp_path, images, targets):
    """The slices in files of 60, 60 and 30, as a memory-mapped array."""
    paths = [[], []]
    for number, rows in enumerate(np.split(np.arange(len(images)), [60, 120])):
        for kind, array in enumerate((images, targets)):
            if array is not None:
                paths[kind].append(tmp_path / f"{kind}_{number}.npy")
                np.save(paths[kind][-1], array[rows])
    return outputs.Slices(*store.join_files([0, 1, 2], *paths))


@pytest.mark.parametrize("kind", TASKS)
def test_the_score_of_chunks_on_disk_is_that_of_all_slices_at_once(kind, tmp_path):
    task, (images, targets) = TASKS[kind](), held_out(kind)
    score = outputs.validation(task, stored(tmp_path, images, targets), 7, precision="float32", device="cpu")
    if task.corrupt:  # one generator for all chunks of 64
        generator, given = torch.Generator().manual_seed(7), torch.from_numpy(as_float(images))[:, None]
        pairs = [task.corrupt(part, None, generator) for part in given.split(64)]
        seen, wanted = (torch.cat(part).numpy() for part in zip(*pairs, strict=True))
        images, targets = store.to_uint16(seen[:, 0]), wanted
    output = Stub(kind)(torch.from_numpy(as_float(images))[:, None])
    expected = by_hand(kind, task.postprocess(output).numpy(), as_float(images), targets)
    assert expected not in (0, 1)
    assert score(Stub(kind)) == pytest.approx(expected, rel=1e-6)
    assert score(Stub(kind)) == score(Stub(kind))


@pytest.mark.parametrize("kind", TASKS)
def test_no_more_than_a_chunk_of_slices_is_in_memory(kind, tmp_path, monkeypatch):
    read, given = [], store.SliceArray.__getitem__
    monkeypatch.setattr(store.SliceArray, "__getitem__", lambda *each: read.append(given(*each)) or read[-1])
    slices = stored(tmp_path, *held_out(kind))
    outputs.validation(TASKS[kind](), slices, 7, precision="float32", device="cpu")(Stub(kind))
    assert max(map(len, read)) == 64


def made_of_label_maps(count=70):
    labels = [
        {"value": value, "name": name, "material": name, "t1": t1, "brain": True}
        for value, name, t1 in ((10, "grey", 0.5), (49, "white", 0.9))
    ]
    how = CONFIG["pretrain"]["synthesis"] | {"labels": labels, "classes": (1, 2), "fineness": 2}
    maps = np.random.default_rng(0).choice([0, 10, 49], (count, 32, 32)).astype(np.uint8)
    return outputs.Slices(None, maps, synthesis(how), 5)


def test_slices_made_of_label_maps_are_the_same_each_time_and_the_examples_are_among_them():
    slices = made_of_label_maps()
    images, classes = map(np.concatenate, zip(*slices.chunks(CPU), strict=True))
    again, _ = map(np.concatenate, zip(*slices.chunks(CPU), strict=True))
    assert images.shape == classes.shape == (70, 16, 16)
    assert np.array_equal(images, again)
    task = Segmentation(np.ones(CLASSES))
    found = outputs.examples(Stub("segmentation"), task, slices, 3, precision="float32", device="cpu")
    numbers = [10, 20, 30, 39, 49, 59]  # six of 70, evenly spaced
    assert np.array_equal(found["images"], images[numbers])
    assert np.array_equal(found["targets"], classes[numbers])


@pytest.mark.parametrize("kind", ["masked-autoencoding", "restoring"])
def test_another_seed_corrupts_in_another_way(kind):
    images, _ = held_out(kind)
    seen = [
        outputs.corrupted(TASKS[kind](), images[:9], None, torch.Generator().manual_seed(seed), CPU)[0]
        for seed in (3, 3, 4)
    ]
    assert seen[0].dtype == np.uint16
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
