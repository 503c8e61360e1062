import os
import platform
import stat
import subprocess
import sys
import time

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
