"""Which device and layout a training takes."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
import small
import torch

from headstart.job import UserError
from headstart.training import devices, leases, loop, outputs
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
        ("cpu", 4 * 64**2, torch.contiguous_format),
        ("cpu", 4 * 64**2 + 1, torch.channels_last),
        ("cuda", 4 * 64**2, torch.channels_last),
    ],
)
def test_small_batches_are_contiguous_on_a_processor(device, pixels, layout):
    assert devices.memory_format(torch.device(device), pixels) == layout


@pytest.mark.parametrize(("size", "layout"), [(32, torch.contiguous_format), (192, torch.channels_last)])
def test_a_network_keeps_its_layout_through_training_and_validation(size, layout):
    images, labels = np.zeros((4, size, size), np.uint16), np.zeros((4, size, size), np.uint8)
    model, task = small.architecture().make_segmenter(2, 0), Segmentation(np.ones(2))
    validation = outputs.validation(task, outputs.Slices(images, labels), 1, precision="float32")
    settings = small.training(2, batch_size=4, precision="float32")
    loop.train(model, small.resident(images, labels), task, settings, 1, validation=validation)
    assert model.encoder.layer4[0].conv2.weight.is_contiguous(memory_format=layout)


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """A machine with three GPUs, as torch shows them, and no lock held."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: type("Properties", (), {"uuid": f"a-{number}"})
    )
    monkeypatch.setattr(leases.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(leases, "_held", {})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


LOCKING = """
import fcntl, sys
files = [open(path) for path in sys.argv[1:]]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def another_job(folder, numbers):
    """Another process that holds the locks of these GPUs, and is killed at the end."""
    paths = [folder / f"headstart-gpu-a-{number}.lock" for number in numbers]
    for path in paths:
        path.touch(mode=0o444)  # as another user's file
    command = [sys.executable, "-c", LOCKING, *map(str, paths)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield
        process.kill()


def test_jobs_beside_each_other_take_different_gpus(gpus, caplog):
    with another_job(gpus, [0, 1]):
        assert devices.choose_device() == torch.device("cuda", 2)
        assert devices.choose_device() == torch.device("cuda", 2)
        assert not caplog.records
        with caplog.at_level("INFO", logger="headstart"):
            assert leases.lease(2) == [2, 0]
        assert "other jobs use this machine's GPUs too; snakemake --resources gpu=3 limits them" in caplog.text


def test_a_gpu_is_free_once_its_job_is_killed(gpus):
    with another_job(gpus, [0]):
        pass
    assert devices.choose_device() == torch.device("cuda", 0)


def test_processes_that_share_a_training_see_the_gpus_that_are_free(gpus, monkeypatch):
    with another_job(gpus, [1]):
        numbers = leases.lease(2)
    assert leases.identifiers(numbers) == "0,2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-x, GPU-y,7")
    assert leases.identifiers(numbers) == "GPU-x,7"


def test_more_gpus_than_there_are_end_in_a_sentence(gpus):
    with pytest.raises(UserError, match=r"pretrain.gpus is 4, but the job sees 3 GPUs; lower it"):
        leases.lease(4)


def test_an_operation_without_deterministic_kernel_ends_in_a_sentence():
    refused = "put_ does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms'"
    mode = (torch.device("cpu"), "float32", True)
    sentence = "^put_ gives other bytes each time .* set training.deterministic to false"
    with pytest.raises(UserError, match=sentence), devices.deterministic_mode(*mode):
        raise RuntimeError(refused)
    with pytest.raises(RuntimeError, match="something else"), devices.deterministic_mode(*mode):
        raise RuntimeError("something else")


def test_a_gpu_that_is_to_be_deterministic_refuses_what_is_not(monkeypatch):
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: contextlib.nullcontext())
    with devices.deterministic_mode(torch.device("cuda"), "float32", True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()


def test_a_job_keeps_the_gpu_that_it_shares(gpus, caplog):
    caplog.set_level("INFO", logger="headstart")
    with another_job(gpus, [0, 1]):
        with another_job(gpus, [2]):
            shared = devices.choose_device()
        assert devices.choose_device() == shared
    assert len(caplog.records) == 1


def test_another_user_can_lock_a_gpu_whatever_the_umask(gpus):
    before = os.umask(0o077)
    leases.lease(1)
    os.umask(before)
    assert next(gpus.glob("*.lock")).stat().st_mode & 0o444 == 0o444
