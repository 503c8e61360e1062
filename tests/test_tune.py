import itertools

import numpy as np
import pandas as pd
import pytest
import small

from headstart import finetune, job, tune
from headstart.finetune import FinetuneSettings, TrainingSet
from headstart.job import UserError
from headstart.networks import model_files
from headstart.networks.start import Start
from headstart.pretrain import scratch
from headstart.slices import store
from headstart.training.trainer import Trainer

SMALL = small.architecture(decoder="unet")
SETTINGS = FinetuneSettings(
    architecture=SMALL,
    training=small.training(None, batch_size=4, steps=12, norms="reestimated", precision="float32"),
    classes=("background", "lesion"),
    expects={},
    augment=None,
    runs_per_gpu=1,
    resident_gb=None,
)


@pytest.fixture
def scans(tmp_path):
    """Three scans of bright squares, and a source."""
    rng = np.random.default_rng(0)
    paths = [[tmp_path / f"{kind}{number}.npy" for number in range(3)] for kind in ("image", "labels")]
    for image, labels in zip(*paths, strict=True):
        found = np.zeros((8, 32, 32), np.uint8)
        for each in found:
            row, column = rng.integers(0, 16, 2)
            each[row : row + 12, column : column + 12] = 1
        store.write_labels(labels, found)
        store.write_image(image, found * 0.6 + 0.1 * rng.random(found.shape))
    made = scratch(SMALL, 1)
    model_files.save(made.encoder, tmp_path / "encoder.safetensors", made.metadata, made.history)
    return Start(tmp_path / "encoder.safetensors", None, {}), *paths


def test_the_rate_that_learns_is_chosen_over_one_that_does_not(scans):
    draws = [(TrainingSet([0, 1], 1), [2]), (TrainingSet([1, 2], 2), [0])]
    rows = pd.DataFrame(tune.tries(*scans, {1e-9: draws, 3e-3: draws}, SETTINGS, "miou", device="cpu"))
    assert rows["learning_rate"].tolist() == [1e-9, 1e-9, 3e-3, 3e-3]
    assert rows["draw"].tolist() == [1, 2, 1, 2]
    table = tune.summary(rows)
    assert table["chosen"].tolist() == [False, True]


def test_a_rate_that_diverges_loses_and_the_others_are_tried(scans):
    draws = [(TrainingSet([0, 1], 1), [2]), (TrainingSet([1, 2], 2), [0])]
    rates = dict.fromkeys([float("inf"), 3e-3], draws)
    rows = pd.DataFrame(tune.tries(*scans, rates, SETTINGS, "miou", device="cpu"))
    assert rows["learning_rate"].tolist() == [float("inf"), 3e-3, 3e-3]
    assert rows["score"].isna().tolist() == [True, False, False]
    assert tune.summary(rows)["chosen"].tolist() == [True, False]  # in ascending order


def test_a_rate_that_diverges_on_one_draw_is_not_chosen_for_the_score_of_another():
    rows = pd.DataFrame({"learning_rate": [0.1, 0.1, 0.01, 0.01], "score": [0.9, float("nan"), 0.2, 0.3]})
    assert tune.summary(rows)["chosen"].tolist() == [True, False]


def test_a_rate_has_the_mean_of_its_draws_and_of_equal_ones_the_lowest_is_chosen(tmp_path):
    rows = [(1e-2, 0.5), (1e-2, 0.5), (1e-3, 0.25), (1e-3, 0.75), (1e-4, 0.25), (1e-4, 0.0)]
    table = tune.summary(pd.DataFrame(rows, columns=["learning_rate", "score"]))
    assert table["learning_rate"].tolist() == [1e-4, 1e-3, 1e-2]
    assert table["score"].tolist() == pytest.approx([0.125, 0.5, 0.5])
    assert table["chosen"].tolist() == [False, True, False]
    job.write_table(tmp_path / "rates.tsv", table)
    assert tune.chosen(tmp_path / "rates.tsv") == 1e-3


def test_a_rate_that_rightly_finds_nothing_wins_over_one_that_finds_something(scans, monkeypatch):
    """The validation scan has no lesion, so that Dice is 0 or undefined."""
    store.write_labels(scans[2][2], np.zeros((8, 32, 32), np.uint8))
    found = iter([np.eye(32, dtype=np.uint8)[None].repeat(8, 0), np.zeros((8, 32, 32), np.uint8)])
    monkeypatch.setattr(tune, "predict", lambda *_, **options: next(found))
    rates = dict.fromkeys([1e-3, 3e-3], [(TrainingSet([0, 1], 1), [2])])
    rows = pd.DataFrame(tune.tries(*scans, rates, SETTINGS, "dice", device="cpu"))
    assert rows["score"].tolist() == [0, 1]


def test_tries_that_were_stopped_go_on_and_end_in_the_same_scores(scans, tmp_path, monkeypatch):
    steps = []
    step = Trainer._step
    monkeypatch.setattr(Trainer, "_step", lambda self, *batch: (steps.append(1), step(self, *batch)))

    def rows(folder):
        """Two rates on two draws, with a state of their own each."""
        rates = {1e-3: [], 3e-3: []}
        for (rate, draws), train in itertools.product(rates.items(), ([0, 1], [0])):
            state = folder / f"{rate}_{len(train)}.state"
            about = {"rate": rate, "training": {"precision": "float32"}}
            draws.append((finetune.resumable(TrainingSet(train, 1), about, "code", state, 0), [2]))
        return tune.tries(*scans, rates, SETTINGS, "miou", device="cpu")

    whole = list(rows(tmp_path / "whole"))
    assert len(steps) == 4 * 12
    stopped = rows(tmp_path / "stopped")
    assert [next(stopped) for _ in range(3)] == whole[:3]
    stopped.close()
    steps.clear()
    assert list(rows(tmp_path / "stopped")) == whole
    assert len(steps) == 12


def test_a_study_in_which_every_rate_diverges_has_no_choice():
    rows = pd.DataFrame({"learning_rate": [1e-3, 1e-4], "score": [np.nan, np.nan]})
    with pytest.raises(UserError, match="trainings diverge at every learning rate of"):
        tune.summary(rows)
