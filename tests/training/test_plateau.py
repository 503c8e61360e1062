import numpy as np
import pytest
from torch import nn

from headstart import job
from headstart.networks import model_files
from headstart.training import plateau


def test_the_fall_is_that_from_the_third_to_the_last_quarter():
    assert plateau.fall([9, 9, 9, 9, 2, 4, 1, 2]) == pytest.approx(1 - 1.5 / 3)


def test_a_constant_loss_does_not_fall_and_a_rising_one_falls_by_less_than_nothing():
    assert plateau.fall([1.0] * 10) == 0
    assert plateau.fall([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0]) == pytest.approx(-1)


def test_short_histories_are_not_judged():
    assert plateau.fall([3, 2, 1, 0.5, 0.2, 0.1, 0.05]) is None


def test_the_table_counts_runs_that_were_still_learning_and_runs_that_were_not_judged(run_script, tmp_path):
    falls = {("stroke", "scratch", 2, 0): 0.06, ("stroke", "scratch", 2, 1): 0.05, ("stroke", "scratch", 2, 2): None,
             ("stroke", "scratch", 4, 0): None, ("ms", "scratch", 2, 0): -0.1}  # fmt: skip
    paths = [tmp_path / str(number) for number in range(len(falls))]
    for path, fall in zip(paths, falls.values(), strict=True):
        history = [{"epoch": 1, "fall": None}, {"epoch": 9, "fall": fall}]
        model_files.save(nn.Identity(), path / "model.safetensors", {}, history)
    written = tmp_path / "trainings.tsv"
    run_script(
        "tabulate_trainings",
        [path / "training.tsv" for path in paths],
        {"runs": [list(run) for run in falls]},
        [written],
    )
    table = job.read_table(written).set_index(["target", "size"])
    columns = ["runs", "epochs", "judged", "unjudged", "still_learning", "fall"]
    expected = {("stroke", 2): [3, 9, 2, 1, 1, 0.055], ("stroke", 4): [1, 9, 0, 1, np.nan, np.nan],
                ("ms", 2): [1, 9, 1, 0, 0, -0.1]}  # fmt: skip
    for row, numbers in expected.items():
        assert table.loc[row, columns].tolist() == pytest.approx(numbers, nan_ok=True)
