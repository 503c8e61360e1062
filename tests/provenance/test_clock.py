import os
import time

import pytest

from headstart.job import UserError
from headstart.provenance import clock


@pytest.fixture
def files(tmp_path):
    """Files dated yesterday, now and tomorrow, by these names."""
    made = {}
    for name, days in (("yesterday", -1), ("now", 0), ("tomorrow", 1)):
        made[name] = tmp_path / "in" / name
        made[name].parent.mkdir(exist_ok=True)
        made[name].write_text(name)
        os.utime(made[name], (time.time() + 86400 * days,) * 2)
    return made


def test_a_file_dated_in_the_future_is_named_with_its_date(files, tmp_path):
    clock.check([files["yesterday"], files["now"], tmp_path / "missing"])
    with pytest.raises(UserError, match=r"tomorrow is dated in the future \(2\d{3}-\d\d-\d\d \d\d:\d\d\); touch it"):
        clock.check(files.values())


def test_only_files_dated_in_the_future_are_set_to_now(files, tmp_path):
    (tmp_path / "in/linked").symlink_to(tmp_path / "nowhere")
    before = {name: path.stat().st_mtime for name, path in files.items()}
    assert clock.set_back(tmp_path) == [str(files["tomorrow"])]
    assert abs(files["tomorrow"].stat().st_mtime - time.time()) < 10
    assert files["tomorrow"].read_text() == "tomorrow"
    assert {name: files[name].stat().st_mtime for name in ("yesterday", "now")} == {
        name: before[name] for name in ("yesterday", "now")
    }
    assert clock.set_back(tmp_path) == []
