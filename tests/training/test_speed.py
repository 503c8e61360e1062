import pandas as pd
import pytest

from headstart.networks.architectures import Architecture
from headstart.training import speed
from headstart.training.trainer import Training


def test_a_speed_is_measured_on_this_device():
    small = Architecture("resnet18", decoder_widths=(8, 8, 8, 8, 4, 4, 4, 4, 4))
    found = speed.measure(small, 32, 2, Training(1, batch_size=2, precision="float32"), seconds=0, device="cpu")
    assert found["precision"] == "float32" and found["together"] == 1
    assert found["images_per_s"] > 0 and found["start_s"] > 0 and found["host_mib"] > 100


def test_hours_worked_by_hand():
    rows = [
        {"stage": "pretrain", "target": "", "source": "a", "size": "", "jobs": 1, "images": 36000},
        {"stage": "finetune", "target": "t", "source": "a", "size": 10, "jobs": 2, "images": 72000},
    ]
    table = speed.plan(rows, {"images_per_s": 10, "start_s": 1800})
    assert table["hours"].tolist() == pytest.approx([1.5, 3, 4.5])
    last = table.iloc[-1]
    assert (last["stage"], last["jobs"], last["images"]) == ("all", 3, 108000) and pd.isna(last["source"])
