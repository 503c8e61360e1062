import errno
import os
import platform
import re
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import SCRIPTS

from headstart import job


def test_a_failed_write_leaves_the_previous_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    job.write_text(path, "before")
    with pytest.raises(ZeroDivisionError), job.atomic(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_temporary_path_keeps_the_suffix(tmp_path):
    with job.atomic(tmp_path / "deep" / "a.nii.gz") as partial:
        assert partial.name.endswith(".nii.gz")
        assert partial.parent == tmp_path / "deep"
        partial.write_bytes(b"x")
    assert (tmp_path / "deep" / "a.nii.gz").read_bytes() == b"x"


def test_a_message_names_the_first_of_many_once_and_counts_the_others():
    assert job.shown([]) == ""
    assert job.shown(["a", "b", "a"]) == "a, b"
    assert job.shown(range(5)) == "0, 1, 2, 3, 4"
    assert job.shown(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert job.shown("abcd", most=2, separator="; ") == "a; b; and 2 more"


def left_by(folder, place, process, name="a.txt", age=0):
    partial = folder / f".partial-{place}-{process}-{name}"
    partial.write_text("half")
    os.utime(partial, (time.time() - age,) * 2)
    return partial


def test_the_partial_file_of_a_killed_writer_is_removed_by_the_next(tmp_path):
    body = f"from headstart import job\nwith job.atomic({str(tmp_path / 'a.txt')!r}) as partial:\n"
    body += " partial.write_text('half'); print(flush=True); import time; time.sleep(60)"
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    with subprocess.Popen([sys.executable, "-c", body], stdout=subprocess.PIPE, env=environment) as writer:
        writer.stdout.readline()
        job.write_text(tmp_path / "a.txt", "while it writes")
        assert len(os.listdir(tmp_path)) == 2
        writer.kill()
    assert len(os.listdir(tmp_path)) == 2
    job.write_text(tmp_path / "a.txt", "whole")
    assert os.listdir(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_partial_files_that_others_may_still_be_writing_are_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    kept = [
        left_by(tmp_path, job._here(), os.getpid()),
        left_by(tmp_path, job._here(), 1),
        left_by(tmp_path, "0badcafe", dead.pid),
        left_by(tmp_path, job._here(), dead.pid, "b-a.txt"),
    ]
    gone = [left_by(tmp_path, job._here(), dead.pid), left_by(tmp_path, "0badcafe", dead.pid + 1, age=25 * 3600)]
    job._sweep(tmp_path / "a.txt")
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


@pytest.mark.parametrize("name", ["a" * 248 + ".nii.gz", "\u00e4" * 124 + ".nii.gz"], ids=["letters", "umlauts"])
def test_any_name_that_a_file_system_takes_can_be_written(tmp_path, name):
    with job.atomic(tmp_path / name) as partial:
        assert partial.name.endswith(".nii.gz")
        partial.write_bytes(b"x")
    assert os.listdir(tmp_path) == [name]


def test_partial_files_of_long_names_are_removed_and_not_confused(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    first, second = (f"{letter}{'x' * 200}.nii.gz" for letter in "ab")
    left = {name: left_by(tmp_path, job._here(), dead.pid, job._partial_end(name)) for name in (first, second)}
    job.write_text(tmp_path / first, "whole")
    assert not left[first].exists()
    assert left[second].exists()


def test_files_are_written_where_permissions_cannot_be_set(tmp_path, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    monkeypatch.setattr(os, "chmod", refuse)
    job.write_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"


def test_a_folder_for_results_is_checked_and_not_created(tmp_path):
    job.check_writable(tmp_path / "deep/er")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["a file", "a broken link"])
def test_what_is_in_the_way_of_a_folder_is_an_error(tmp_path, there):
    place = tmp_path / "results"
    place.write_text("") if there == "a file" else place.symlink_to(tmp_path / "not mounted")
    with pytest.raises(job.UserError, match=rf"^{re.escape(str(place / 'study'))} cannot be written"):
        job.check_writable(place / "study")


def test_the_longest_name_is_known_of_folders_that_do_not_exist_yet(tmp_path):
    assert job.longest_name(tmp_path / "deep/er") == os.pathconf(tmp_path, "PC_NAME_MAX")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files."""
    folder = tmp_path / "odd [3], it's"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_scratch_folder_is_current_and_removed_afterwards(temporary):
    before = Path.cwd()
    with job.scratch_folder():
        assert Path.cwd().parent == temporary
        assert os.listdir() == []
        Path("a").write_text("x")
    assert Path.cwd() == before
    assert os.listdir(temporary) == []


def test_a_full_disk_of_temporary_files_is_one_sentence(temporary, monkeypatch):
    monkeypatch.setattr(job.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(job.UserError, match="temporary files is full .*set TMPDIR to"), job.scratch_folder():
        raise ValueError("Mat file appears to be truncated")
    assert os.listdir(temporary) == []


def test_a_full_quota_counts_as_a_full_disk(temporary):
    with pytest.raises(job.UserError, match="temporary files is full"), job.scratch_folder():
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def test_other_errors_pass_through_the_scratch_folder(temporary):
    with pytest.raises(ZeroDivisionError), job.scratch_folder():
        raise ZeroDivisionError


def test_without_any_place_for_temporary_files_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(job.UserError, match="no temporary folder can be made .*set TMPDIR"), job.scratch_folder():
        pass


def test_files_are_not_writable_by_everyone(tmp_path):
    job.write_text(tmp_path / "a", "x")
    assert not (tmp_path / "a").stat().st_mode & stat.S_IWOTH


def test_a_user_error_ends_in_its_message_and_any_other_error_in_a_traceback(tmp_path):
    log = tmp_path / "logs" / "a.log"
    with pytest.raises(SystemExit) as ended, job.running("stage", log):
        raise job.UserError("a.nii.gz is empty; download it again.")
    assert ended.value.code == "headstart: stage: a.nii.gz is empty; download it again."
    assert "Traceback" not in log.read_text()
    assert "a.nii.gz is empty" in log.read_text()
    with pytest.raises(KeyError), job.running("stage", log):
        raise KeyError("inside")
    assert "Traceback" in log.read_text()
    assert "inside" in log.read_text()


def test_equal_content_gives_equal_bytes(tmp_path):
    job.write_json(tmp_path / "a", {"b": 1, "a": [1.5, None]})
    job.write_json(tmp_path / "b", {"a": [1.5, None], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert job.read_json(tmp_path / "a") == {"a": [1.5, None], "b": 1}


def test_missing_values_of_tables_are_written_as_such(tmp_path):
    job.write_table(tmp_path / "a.tsv", pd.DataFrame({"name": ["x", "y"], "score": [0.1234567, None]}))
    assert (tmp_path / "a.tsv").read_text() == "name\tscore\nx\t0.123457\ny\tn/a\n"


_FAULTS = """
import resource, sys
import numpy as np
from headstart import job
if sys.argv[1] == "kept":
    job.keep_freed_memory()
np.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_job_reuses_the_memory_of_freed_arrays():
    def faults(kept):
        environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
        command = [sys.executable, "-c", _FAULTS, kept]
        return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)

    assert faults("kept") < faults("returned") / 10


def test_names_in_tables_are_text(tmp_path):
    names = ["NA", "nan", "null", "None", "001", "1e5"]
    job.write_table(tmp_path / "t.tsv", pd.DataFrame({"subject": names, "dice": [0.5, None, 1, 1, 1, 1]}))
    table = job.read_table(tmp_path / "t.tsv")
    assert list(table["subject"]) == names
    assert table["dice"].isna().sum() == 1
