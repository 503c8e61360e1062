import matplotlib.pyplot as plt
import numpy as np

from headstart.images import Volume
from headstart.report import scan_pictures


def test_a_label_has_its_colour_whatever_other_labels_the_slice_has():
    figure, axis = plt.subplots()
    scan_pictures.overlay(axis, np.array([[0, 3], [3, 0]]), [1, 2, 3])
    scan_pictures.overlay(axis, np.array([[1, 2], [3, 0]]), [1, 2, 3])
    alone, together = (image.get_array() for image in axis.images)
    assert alone[0, 1] == together[1, 0] == 2
    plt.close(figure)


def test_the_subjects_left_is_at_the_left_of_the_picture(tmp_path):
    data = np.zeros((10, 10, 10), np.float32)
    data[:3] = 1  # the left third, with axes RAS+
    volume = Volume(data, np.eye(4))
    scan_pictures.registration(tmp_path / "a.png", volume, Volume((data > 0).astype(np.uint8), np.eye(4)))
    shown = plt.imread(tmp_path / "a.png")[..., 0]
    axial = shown[:, -shown.shape[1] // 4 :]
    columns = (axial > 0.9).mean(axis=0)
    dark = (axial < 0.1).mean(axis=0)
    assert np.argmax(columns) < np.argmax(dark)


def test_every_figure_is_closed_after_it_is_written(tmp_path):
    before = plt.get_fignums()
    volume = Volume(np.random.default_rng(0).random((9, 9, 9)).astype(np.float32), np.eye(4))
    labelled = Volume((volume.data > 0.5).astype(np.uint8) * 3, np.eye(4))
    scan_pictures.labels(tmp_path / "a.png", volume, [labelled, labelled])
    assert plt.get_fignums() == before
    assert not list(tmp_path.glob(".partial*"))
