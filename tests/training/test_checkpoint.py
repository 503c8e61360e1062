import contextlib
import errno
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small
import torch
from torch import nn

from headstart import job
from headstart.job import UserError
from headstart.networks import model_files
from headstart.training import feed
from headstart.training.augment import PhotoAugment
from headstart.training.checkpoint import Checkpoint, identity_of, of_training
from headstart.training.loop import train, train_together
from headstart.training.restoring import MaskedAutoEncoding, Restoring
from headstart.training.tasks import AutoEncoding, Segmentation
from headstart.training.trainer import DivergedError, Trainer

CPU = torch.device("cpu")
SETTINGS = small.training(3, batch_size=3, warm_up=0.5, norms="reestimated", precision="float32")


@pytest.fixture(autouse=True)
def one_thread():
    """As in the processes that are killed: results are the same bytes only for the same number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def slices_and_labels():
    rng = np.random.default_rng(0)
    return rng.integers(0, 65536, (7, 32, 32), np.uint16), rng.integers(0, 2, (7, 32, 32), np.uint8)


def small_model(outputs):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, outputs, 1))


def trainer(kind, checkpoint=None):
    """A training with augmentation and validation, of a task with or without a state of its own."""
    images, labels = slices_and_labels()
    tasks = {
        "segmentation": lambda: Segmentation(np.array([0.5, 2.0])),
        "autoencoding": lambda: AutoEncoding(small.architecture(), 1),
        "masked-autoencoding": lambda: MaskedAutoEncoding(0.5, 8),
        "restoring": Restoring,
    }
    task = tasks[kind]()
    targets = labels if kind == "segmentation" else None
    model = small_model(2 if kind == "segmentation" else 1)
    slices = feed.load(images, targets, CPU, resident_gb=None)
    photos = PhotoAugment(degrees=10, scale=0.0, mirror=True)
    augment = photos if kind == "autoencoding" else small.augmentation()
    return Trainer(model, slices, task, SETTINGS, 3, augment=augment, validation=lambda _: 0.5, checkpoint=checkpoint)


def ended(training):
    return next(train_together([lambda: training], CPU, SETTINGS, runs_per_gpu=1))


def bytes_of(trained, folder):
    model_files.save(trained.model, folder / "model.safetensors", {"kind": "test"}, trained.history)
    return [(folder / name).read_bytes() for name in ("model.safetensors", "training.tsv")]


@pytest.mark.parametrize("kind", ["segmentation", "autoencoding", "masked-autoencoding", "restoring"])
def test_a_training_stopped_after_any_step_resumes_to_the_same_bytes(kind, tmp_path):
    whole = bytes_of(ended(trainer(kind)), tmp_path / "whole")
    steps = len(list(trainer(kind).run()))
    assert steps == 6  # three epochs of a batch of three and one of four
    for stop in range(steps + 1):
        state = tmp_path / f"{stop}.state"
        list(itertools.islice(trainer(kind, Checkpoint(state, "one", 0)).run(), stop))
        resumed = trainer(kind, Checkpoint(state, "one", 0))
        assert bytes_of(ended(resumed), tmp_path / "whole") == whole
        # A training that had ended takes no more steps.
        again = trainer(kind, Checkpoint(state, "one", 0))
        assert list(again.run()) == []
        assert bytes_of(again, tmp_path / "whole") == whole


KILLED = """
import os, sys
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads(1)
from pathlib import Path
import test_checkpoint as t
from headstart.training.checkpoint import Checkpoint

# One process that has imported everything forks those that are killed, and reports when each starts to train.
folder = Path({folder!r})
for line in sys.stdin:
    child = os.fork()
    if not child:
        training = t.trainer("autoencoding", Checkpoint(folder / "state", "one", 0))
        print("started", os.getpid(), flush=True)
        t.bytes_of(t.ended(training), folder / "killed")
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_training_killed_at_random_moments_ends_in_the_same_bytes(tmp_path):
    started = time.monotonic()
    whole = bytes_of(ended(trainer("autoencoding")), tmp_path / "whole")
    duration = time.monotonic() - started
    here = Path(__file__)
    paths = [str(here.parent), str(here.parents[1]), str(here.parents[2] / "workflow_scripts")]
    script = KILLED.format(paths=paths, folder=str(tmp_path))
    rng, kills = random.Random(1), 0
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as parent:
        for _ in range(200):
            parent.stdin.write("again\n")
            pid = int(parent.stdout.readline().split()[1])
            time.sleep(rng.uniform(0, duration / 8))
            if kills < 20:
                os.kill(pid, signal.SIGKILL)
            status = int(parent.stdout.readline().split()[1])
            kills += status == -signal.SIGKILL
            assert status in (0, -signal.SIGKILL)
            if kills == 20 and status == 0:
                break
            if status == 0:  # it ended before the signal: the next one starts from scratch
                (tmp_path / "state").unlink()
        parent.stdin.close()
    assert kills == 20
    assert [(tmp_path / "killed" / name).read_bytes() for name in ("model.safetensors", "training.tsv")] == whole


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="cut short"),
        pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id="one bit"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: b"something else entirely", id="foreign"),
    ],
)
def test_a_damaged_state_is_detected_and_the_training_starts_over(damage, tmp_path, caplog):
    state = tmp_path / "state"
    list(itertools.islice(trainer("segmentation", Checkpoint(state, "one", 0)).run(), 4))
    state.write_bytes(damage(state.read_bytes()))
    with caplog.at_level("WARNING", logger="headstart"):
        restarted = trainer("segmentation", Checkpoint(state, "one", 0))
    assert restarted.history == []
    assert "is damaged" in caplog.text
    assert bytes_of(ended(restarted), tmp_path) == bytes_of(ended(trainer("segmentation")), tmp_path)


def test_the_state_of_another_training_is_not_used(tmp_path, caplog):
    state = tmp_path / "state"
    list(itertools.islice(trainer("segmentation", Checkpoint(state, identity_of("data", 1), 0)).run(), 4))
    with caplog.at_level("WARNING", logger="headstart"):
        assert trainer("segmentation", Checkpoint(state, identity_of("data", 2), 0)).history == []
    assert "another training" in caplog.text


def test_a_state_is_due_after_the_interval(tmp_path, monkeypatch):
    clock = itertools.count(step=30)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    checkpoint = Checkpoint(tmp_path / "state", "one", 1)
    assert [checkpoint.due() for _ in range(3)] == [False, True, True]
    checkpoint.write({})
    assert not checkpoint.due()


def test_a_full_disk_is_reported_and_the_older_state_is_intact(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "state", "one", 0)
    checkpoint.write({"step": 1})
    checkpoint.close()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(job.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
    with pytest.raises(UserError, match=r"the disk is full: .*state could not be written; free some space"):
        checkpoint.write({"step": 2})
        checkpoint.close()
    assert checkpoint.read(CPU) == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_state_is_that_of_the_moment_though_it_is_written_while_the_training_goes_on(tmp_path, monkeypatch):
    checkpoint, weights, may_write = Checkpoint(tmp_path / "state", "one", 0), torch.ones(3), threading.Event()
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda *arguments: may_write.wait(60) and save(*arguments))
    checkpoint.write({"model": {"weights": weights}})
    weights.zero_()
    assert not checkpoint.path.exists()
    may_write.set()
    assert checkpoint.read(CPU)["model"]["weights"].tolist() == [1, 1, 1]


def test_a_training_ends_when_its_last_state_is_on_the_disk(tmp_path, monkeypatch):
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda *arguments: (time.sleep(0.2), save(*arguments)))
    ended(trainer("segmentation", Checkpoint(tmp_path / "state", "one", 60)))
    assert (tmp_path / "state").exists()


class Stream:
    """A stand-in for a CUDA stream, which notes in ``events`` when it is entered and left, and who waits for it."""

    def __init__(self, name, events):
        self.name, self.events = name, events

    def wait_stream(self, other):
        self.events.append(f"{self.name} waits for {other.name}")

    @contextlib.contextmanager
    def entered(self):
        self.events.append("in")
        yield
        self.events.append("out")


@pytest.fixture
def streamed(monkeypatch):
    """Gives a training a stream of its own, as on a GPU, with steps that are not recorded; the list of what happens."""
    events = []
    own, default = Stream("own", events), Stream("default", events)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream.entered() if stream else contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: default)
    monkeypatch.setattr(Checkpoint, "write", lambda *_: events.append("write"))
    monkeypatch.setattr("headstart.training.trainer.Graphs", lambda step, tensors: step)

    def on_stream(training):
        training._stream = own
        return training

    return on_stream, events


def test_states_are_copied_on_the_stream_of_the_training_which_the_caller_waits_for(tmp_path, streamed):
    on_stream, events = streamed
    list(on_stream(trainer("segmentation", Checkpoint(tmp_path / "state", "one", 0))).run())
    inside = [events[:place].count("in") - events[:place].count("out") for place in range(len(events))]
    written = [place for place, event in enumerate(events) if event == "write"]
    assert len(written) == 7  # six steps, and the end
    assert {inside[place] for place in written} == {1}
    assert (events[0], events[-1]) == ("own waits for default", "default waits for own")


def test_a_caller_waits_for_the_weights_that_a_diverged_training_puts_back(streamed):
    on_stream, events = streamed
    training = on_stream(trainer("segmentation"))
    training._task.loss = lambda output, *_: output.sum() * torch.nan
    with pytest.raises(DivergedError, match="diverged in epoch 1"):
        list(training.run())
    assert events[-1] == "default waits for own"


def test_a_state_belongs_to_all_that_decides_a_training(tmp_path):
    given = {"state": tmp_path / "state", "minutes": 0, "precision": "float32", "device": "cpu"}
    list(itertools.islice(trainer("segmentation", of_training(*given.values(), "data", 1)).run(), 4))

    def resumes(*decides, **changes):
        return bool(trainer("segmentation", of_training(*(given | changes).values(), *decides)).history)

    assert resumes("data", 1)
    assert resumes("data", 1, minutes=9)
    assert not resumes("data", 2)
    assert not resumes("other data", 1)
    assert not resumes("data", 1, precision="bfloat16")


@pytest.mark.parametrize("length", [{"epochs": 3}, {"epochs": None, "steps": 6}], ids=["epochs", "steps"])
def test_a_resumed_training_logs_it(length, tmp_path, caplog):
    slices = small.resident(*slices_and_labels())
    checkpoint = Checkpoint(tmp_path / "state", "one", 0)
    task = Segmentation(np.ones(2))
    model = small_model(2)
    settings = replace(SETTINGS, **length)
    train(model, slices, task, settings, 1, checkpoint=checkpoint)
    with caplog.at_level("INFO", logger="headstart"):
        assert len(train(model, slices, task, settings, 1, checkpoint=checkpoint)) == 3
    assert "resuming after epoch 3 of 3" in caplog.text
    checkpoint.remove()
    assert not checkpoint.path.exists()
