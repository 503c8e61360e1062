import pytest

from snakemake_logger_plugin_headstart import Progress


def test_time_left_follows_what_was_measured():
    progress = Progress(started=100.0)
    progress.plan({"make_person": 2, "register_scan": 3, "total": 5})
    progress.start(1, "make_person", "cohort 01", 100.0)
    progress.start(2, "make_person", "cohort 02", 100.0)
    assert progress.finish(1, 108.0).startswith("[0:08] 1/5 done")
    line = progress.finish(2, 108.0)
    assert line.endswith("left: make_person cohort 02 (8 s)")
    # Two at once, each twice as slow as a typical 4 s: three of register_scan's 10 s take 3 * 20 / 2 s.
    assert progress.seconds_left(108.0) == pytest.approx(30)
    progress.start(3, "register_scan", "cohort 01", 108.0)
    progress.finish(3, 116.0)
    # What has been measured replaces what is typical: two more of 8 s, 24 s done in 16 s.
    assert progress.seconds_left(116.0) == pytest.approx(2 * 8 / 1.5)
