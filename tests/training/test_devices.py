"""Which device a training takes."""

import pytest
import torch

from headstart.job import UserError
from headstart.training import devices


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine with the driver of a GPU, none of which torch finds."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(devices, "_DRIVER", str(tmp_path / "nvidiactl"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return tmp_path / "nvidiactl"


@pytest.mark.parametrize("visible", ["GPU-8f2c", "MIG-77aa", "7", "0,1"])
def test_a_gpu_that_was_asked_for_and_is_not_found_stops_the_training(driver, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(
        UserError, match=f"CUDA_VISIBLE_DEVICES is '{visible}', and torch finds no such GPU here; correct"
    ):
        devices.choose_device()


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
def test_the_processor_is_taken_where_no_gpu_is_wanted(driver, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.choose_device() == torch.device("cpu")


def test_the_processor_is_taken_on_a_machine_without_gpu_whatever_the_variable_says(driver, monkeypatch):
    driver.unlink()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert devices.choose_device() == torch.device("cpu")


def test_a_device_that_is_named_is_taken(driver, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert devices.choose_device("cpu") == torch.device("cpu")
