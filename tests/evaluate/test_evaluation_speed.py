from types import SimpleNamespace

import small

from headstart.evaluate import speed


def test_the_speed_of_an_evaluation_counts_predicting_and_scoring(monkeypatch):
    """A clock that advances by 1 s when a scan is predicted and by 3 s when it is scored: with one process 64 slices
    in 4 s, with three in 2 s.
    """
    now = [0.0]

    def takes(seconds):
        return lambda *_, **__: now.__setitem__(0, now[0] + seconds)

    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(speed, "predict", takes(1))
    monkeypatch.setattr(speed, "score_scan", takes(3))
    for processes, expected in ((1, 16), (3, 32)):
        found = speed.measure(small.architecture(), 32, 3, "float32", 4, processes, seconds=6, device="cpu")
        assert found["images_per_s"] == expected


def test_a_scan_of_noise_can_be_scored():
    found = speed.measure(small.architecture(), 32, 3, "float32", 4, 1, seconds=0, device="cpu")
    assert found["images_per_s"] > 0
