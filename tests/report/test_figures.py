import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from headstart.images import Volume
from headstart.report import figures, scan_pictures


def test_examples_show_scan_truth_and_every_source_on_the_slice_with_most_truth():
    truth = np.zeros((3, 8, 8), np.uint8)
    truth[1, 2:4, 2:4], truth[2, 0, 0] = 1, 1
    image = np.arange(3 * 64, dtype=np.uint16).reshape(3, 8, 8)
    predictions = {"scratch": {"01": truth * 0}, "t1-segmentation": {"01": truth}}
    figure = figures.examples({"best": "01"}, {"01": image}, {"01": truth}, predictions, ["background", "lesion"])
    axes = figure.axes
    assert [axis.get_title() for axis in axes] == ["scan", "ground truth", "scratch", "t1-segmentation"]
    assert axes[0].get_ylabel() == "best: 01"
    np.testing.assert_array_equal(axes[0].images[0].get_array(), image[1])
    coloured = [(~np.ma.getmaskarray(axis.images[1].get_array())).sum() for axis in axes[1:]]
    assert coloured == [4, 0, 4]
    plt.close(figure)


def test_a_label_has_its_colour_whatever_else_the_slice_holds():
    figure, axis = plt.subplots()
    scan_pictures.overlay(axis, np.array([[0, 3], [3, 0]]), [1, 2, 3])
    scan_pictures.overlay(axis, np.array([[1, 2], [3, 0]]), [1, 2, 3])
    alone, together = (image.get_array() for image in axis.images)
    assert alone[0, 1] == together[1, 0] == 2
    plt.close(figure)


def test_a_picture_has_a_persons_left_at_its_left(tmp_path):
    data = np.zeros((10, 10, 10), np.float32)
    data[:3] = 1  # the left third, with axes RAS+
    volume = Volume(data, np.eye(4))
    scan_pictures.registration(tmp_path / "a.png", volume, Volume((data > 0).astype(np.uint8), np.eye(4)))
    shown = plt.imread(tmp_path / "a.png")[..., 0]
    axial = shown[:, -shown.shape[1] // 4 :]
    columns = (axial > 0.9).mean(axis=0)
    dark = (axial < 0.1).mean(axis=0)
    assert np.argmax(columns) < np.argmax(dark)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_equal_figures_are_equal_bytes(tmp_path, suffix):
    rows = [
        {"target": "stroke", "size": n, "metric": "dice", "level": "volume", "source": s, "resample": 1, "score": n / 9,
         "low": n / 10, "high": n / 8, "resamples": 1, "scans": 3}
        for n in (2, 4) for s in ("scratch", "t1-segmentation")
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    gains = pd.DataFrame([{**rows[1], "baseline": "scratch", "gain": 0.1}])
    for name in ("a", "b"):
        scan_pictures.save_all(figures.scores_by_size(table, table, gains), [tmp_path / f"{name}.{suffix}"])
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_every_picture_is_closed_after_it_is_written(tmp_path):
    volume = Volume(np.random.default_rng(0).random((9, 9, 9)).astype(np.float32), np.eye(4))
    labelled = Volume((volume.data > 0.5).astype(np.uint8) * 3, np.eye(4))
    scan_pictures.labels(tmp_path / "a.png", volume, [labelled, labelled])
    assert not plt.get_fignums() and not list(tmp_path.glob(".partial*"))
