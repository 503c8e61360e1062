import contextlib
import itertools
from types import SimpleNamespace

import pandas as pd
import pytest
import small
import torch

from headstart.networks.decoders import Decoder, UNetDecoder
from headstart.training import speed
from headstart.training.tasks import AutoEncoding


def test_the_speed_follows_from_the_duration_of_the_steps(monkeypatch):
    """With a clock that advances by 2 s whenever it is read, in a process that is 10 s old and has used 512 MiB."""
    clock = itertools.count(step=2.0)
    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: next(clock), time=lambda: 110.0))
    process = SimpleNamespace(create_time=lambda: 100.0)
    monkeypatch.setattr(speed, "psutil", SimpleNamespace(Process=lambda: process))
    usage = SimpleNamespace(ru_maxrss=512 * 1024)
    monkeypatch.setattr(speed, "resource", SimpleNamespace(getrusage=lambda who: usage, RUSAGE_SELF=0))
    settings = small.training(1, batch_size=3, precision="float32")
    found = speed.measure(small.architecture(), 32, 2, settings, runs_per_gpu=4, seconds=3, device="cpu")
    assert found["precision"] == "float32"
    assert found["runs_per_gpu"] == 1
    # Read at the start, after the second and third step, and at the end: three steps in 6 s.
    assert found["images_per_s"] == pytest.approx(3 / (6 / 3))
    # The process's age after its first step, less the duration of that step.
    assert found["start_s"] == pytest.approx(10 - 6 / 3)
    assert found["host_mib"] == 512


@pytest.mark.parametrize(("decoder", "kind"), [("unet", UNetDecoder), ("paper", Decoder)])
def test_the_steps_that_are_measured_are_those_of_the_studys_network(decoder, kind, monkeypatch):
    trained, trainer = [], speed.Trainer
    monkeypatch.setattr(speed, "Trainer", lambda model, *rest: trained.append(model) or trainer(model, *rest))
    settings = small.training(1, batch_size=2, precision="float32")
    speed.measure(small.architecture(decoder=decoder), 32, 2, settings, runs_per_gpu=1, seconds=0, device="cpu")
    assert [type(model.decoder) for model in trained] == [kind]


def test_auto_encoding_is_measured_with_its_discriminator(monkeypatch):
    seen, trainer = [], speed.Trainer
    monkeypatch.setattr(speed, "Trainer", lambda *given: seen.append(given[2]) or trainer(*given))
    settings = small.training(1, batch_size=2, precision="float32")
    options = {"runs_per_gpu": 1, "seconds": 0, "device": "cpu"}
    speed.measure(small.architecture(), 32, 2, settings, kind="autoencoding", **options)
    assert [type(task) for task in seen] == [AutoEncoding]
    assert seen[0].state()["steps"] > 0


def test_hours_worked_by_hand():
    rows = [
        {"stage": "pretrain", "target": "", "source": "a", "size": "", "jobs": 1, "images": 36000, "speed": "alone"},
        {"stage": "finetune", "target": "t", "source": "a", "size": 10, "jobs": 2, "images": 72000, "speed": "many"},
    ]
    table = speed.plan(rows, {"alone": {"images_per_s": 10}, "many": {"images_per_s": 20}}, start_s=1800)
    assert table["hours"].tolist() == pytest.approx([1.5, 2, 3.5])
    last = table.iloc[-1]
    assert (last["stage"], last["jobs"], last["images"]) == ("all", 3, 108000)
    assert pd.isna(last["source"])
    assert "speed" not in table


def test_as_many_trainings_are_measured_as_fit(monkeypatch):
    monkeypatch.setattr(speed, "choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(speed, "choose_precision", lambda *_: "float32")
    monkeypatch.setattr(speed, "deterministic_mode", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(speed.feed, "Resident", lambda *_: None)
    monkeypatch.setattr(speed, "_after_first_step", lambda *_: itertools.repeat(None))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "imitated")
    for name in ("memory_reserved", "max_memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, lambda _: 0)
    monkeypatch.setattr(speed.loop, "another_fits", lambda device, running, held: running < 3)
    settings = small.training(1, batch_size=2, precision="float32")
    assert speed.measure(small.architecture(), 32, 2, settings, runs_per_gpu=10, seconds=0)["runs_per_gpu"] == 3
