"""Which device and layout a training takes."""

import numpy as np
import pytest
import small
import torch

from headstart.job import UserError
from headstart.training import devices, loop, outputs
from headstart.training.tasks import Segmentation


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


@pytest.mark.parametrize(
    ("device", "pixels", "layout"),
    [
        ("cpu", 8 * 64**2, torch.contiguous_format),
        ("cpu", 8 * 64**2 + 1, torch.channels_last),
        ("cuda", 4 * 64**2, torch.channels_last),
    ],
)
def test_small_batches_are_contiguous_on_a_processor(device, pixels, layout):
    assert devices.memory_format(torch.device(device), pixels) == layout


@pytest.mark.parametrize(("size", "layout"), [(32, torch.contiguous_format), (192, torch.channels_last)])
def test_a_network_keeps_its_layout_through_training_and_validation(size, layout):
    images, labels = np.zeros((4, size, size), np.uint16), np.zeros((4, size, size), np.uint8)
    model, task = small.architecture().make_segmenter(2, 0), Segmentation(np.ones(2))
    validation = outputs.validation(task, images, labels, 1, precision="float32")
    settings = small.training(2, batch_size=4, precision="float32")
    loop.train(model, small.resident(images, labels), task, settings, 1, validation=validation)
    assert model.encoder.layer4[0].conv2.weight.is_contiguous(memory_format=layout)
