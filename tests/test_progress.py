import pytest

from snakemake_logger_plugin_headstart import Progress


def test_the_time_left_follows_from_measured_durations():
    progress = Progress(started=100.0)
    progress.plan({"make_subject": 2, "register_scan": 3, "total": 5})
    progress.start(1, "make_subject", "cohort 01", 100.0)
    progress.start(2, "make_subject", "cohort 02", 100.0)
    assert progress.finish(1, 110.0).startswith("[0:10] 1/5 done")
    assert progress.finish(2, 110.0).endswith("left: make_subject cohort 02 (10 s)")
    # Twice as slow as the typical 5 s and two at once, both with a prior of 60 s.
    assert progress.seconds_left(110.0) == pytest.approx(3 * 11 * (80 / 70) / (80 / 70))
    progress.start(3, "register_scan", "cohort 01", 110.0)
    progress.finish(3, 120.0)
    # Measured durations replace typical ones: two more of 10 s, 30 s done in 20 s.
    assert progress.seconds_left(120.0) == pytest.approx(2 * 10 / (90 / 80))
