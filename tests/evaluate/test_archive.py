import numpy as np
import pytest

from headstart.evaluate import archive
from headstart.job import UserError

PREDICTIONS = {f"sub-{n}": np.random.default_rng(n).integers(0, 3, (4, 32, 32), np.uint8) for n in range(3)}


def test_the_bytes_are_those_of_numpy_whatever_the_scans(tmp_path):
    for scans in ({}, {"sub-0": PREDICTIONS["sub-0"]}, PREDICTIONS):
        archive.write(tmp_path / "found.npz", scans.items())
        np.savez_compressed(tmp_path / "expected.npz", **scans)
        assert (tmp_path / "found.npz").read_bytes() == (tmp_path / "expected.npz").read_bytes()
        for scan, labels in scans.items():
            assert np.array_equal(archive.read(tmp_path / "found.npz", scan), labels)


def test_a_prediction_that_fails_leaves_no_file(tmp_path):
    def predictions():
        yield from PREDICTIONS.items()
        raise MemoryError

    with pytest.raises(MemoryError):
        archive.write(tmp_path / "found.npz", predictions())
    assert not list(tmp_path.iterdir())


def test_predictions_are_compressed_while_the_next_ones_are_made(tmp_path, monkeypatch):
    """No more than one waits in memory, and an error of the thread ends the job."""
    added = []
    monkeypatch.setattr(archive, "_add", lambda _, scan, labels: added.append(scan))

    def predictions():
        for number in range(10):
            assert len(added) >= number - 1
            yield f"sub-{number}", np.zeros(1)

    archive.write(tmp_path / "found.npz", predictions())
    assert added == [f"sub-{number}" for number in range(10)]

    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(archive, "_add", broken)
    with pytest.raises(RuntimeError, match="broken"):
        archive.write(tmp_path / "found.npz", PREDICTIONS.items())


def test_files_that_are_missing_damaged_or_lack_a_scan_are_named(tmp_path):
    path = tmp_path / "found.npz"
    with pytest.raises(UserError, match="found.npz does not exist; run the study again"):
        archive.read(path, "sub-0")
    archive.write(path, PREDICTIONS.items())
    with pytest.raises(UserError, match="found.npz has no prediction of sub-9; delete it and run again"):
        archive.read(path, "sub-9")
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[200:400] = bytes(200)
    for wrong in (whole[:-100], b"", bytes(damaged), b"no archive"):
        path.write_bytes(wrong)
        with pytest.raises(UserError, match="found.npz is damaged or truncated"):
            archive.read(path, "sub-0")
