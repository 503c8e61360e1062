import itertools
import time

import pandas as pd
import pytest
import small

from headstart.training import speed


def test_the_speed_follows_from_the_duration_of_the_steps(monkeypatch):
    """With a clock that advances by 2 s whenever it is read."""
    clock = itertools.count(step=2.0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    settings = small.training(1, batch_size=3, precision="float32")
    found = speed.measure(small.architecture(), 32, 2, settings, runs_per_gpu=4, seconds=3, device="cpu")
    assert found["precision"] == "float32"
    assert found["runs_per_gpu"] == 1
    # Read at the start, after the second and third step, and at the end: three steps in 6 s.
    assert found["images_per_s"] == pytest.approx(3 / (6 / 3))
    assert found["start_s"] > 0
    assert found["host_mib"] > 100


def test_hours_worked_by_hand():
    rows = [
        {"stage": "pretrain", "target": "", "source": "a", "size": "", "jobs": 1, "images": 36000},
        {"stage": "finetune", "target": "t", "source": "a", "size": 10, "jobs": 2, "images": 72000},
    ]
    table = speed.plan(rows, {"images_per_s": 10, "start_s": 1800})
    assert table["hours"].tolist() == pytest.approx([1.5, 3, 4.5])
    last = table.iloc[-1]
    assert (last["stage"], last["jobs"], last["images"]) == ("all", 3, 108000)
    assert pd.isna(last["source"])
