import numpy as np
import pandas as pd
import pytest
import small

from headstart import job, tune
from headstart.finetune import FinetuneSettings, TrainingSet
from headstart.job import UserError
from headstart.networks import model_files
from headstart.pretrain import scratch
from headstart.slices import store

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
    return tmp_path / "encoder.safetensors", *paths


def test_the_rate_that_learns_is_chosen_over_one_that_does_not(scans):
    draws = [(TrainingSet([0, 1], 1), [2]), (TrainingSet([1, 2], 2), [0])]
    rows = pd.DataFrame(tune.tries(*scans, draws, [1e-9, 3e-3], SETTINGS, device="cpu"))
    assert rows["learning_rate"].tolist() == [1e-9, 1e-9, 3e-3, 3e-3]
    assert rows["draw"].tolist() == [1, 2, 1, 2]
    table = tune.summary(rows)
    assert table["chosen"].tolist() == [False, True]


def test_a_rate_that_diverges_loses_and_the_others_are_tried(scans):
    draws = [(TrainingSet([0, 1], 1), [2]), (TrainingSet([1, 2], 2), [0])]
    rows = pd.DataFrame(tune.tries(*scans, draws, [float("inf"), 3e-3], SETTINGS, device="cpu"))
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


def test_scans_without_any_class_give_no_choice():
    rows = pd.DataFrame({"learning_rate": [1e-3, 1e-4], "score": [np.nan, np.nan]})
    with pytest.raises(UserError, match="no learning rate has a score: .*or give one"):
        tune.summary(rows)
