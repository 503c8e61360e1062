"""Pre-training on label maps alone, of which the images are made in each step."""

import numpy as np
import pytest
import small
import torch
from settings_of import CONFIG

from headstart import pretrain
from headstart.pretrain import PretrainSettings, scratch
from headstart.slices import store
from headstart.training.source_tasks import SourceTaskSpec
from headstart.training.synthesis import synthesis

SMALL = small.architecture()


def of_label_maps(tmp_path, held_out):
    """A pre-training on label maps of three heads, twice as fine as their images, with two labels."""
    rng, paths = np.random.default_rng(0), []
    for head in range(3):
        paths.append(tmp_path / f"{head}_maps.npy")
        store.write_labels(paths[-1], np.sort(rng.choice([0, 10, 49], (4, 64, 64)), axis=1))
    labels = [
        {"value": value, "name": name, "material": name, "t1": t1, "brain": True}
        for value, name, t1 in ((10, "grey", 0.5), (49, "white", 0.9))
    ]
    how = CONFIG["pretrain"]["synthesis"] | {"labels": labels, "classes": (1, 2), "fineness": 2}
    settings = PretrainSettings(
        spec=SourceTaskSpec("segmentation", ("background", "grey", "white")),
        architecture=SMALL,
        training=small.training(2, batch_size=4, precision="float32", norms="reestimated"),
        seed=1,
        held_out=held_out,
        augment=None,
        synthesis=synthesis(how),
        origin="lower",
        resident_gb=None,
    )
    return pretrain.pretrain([], paths, settings)


@pytest.mark.parametrize("held_out", [0, 1])
def test_label_maps_are_trained_on_without_images(tmp_path, held_out):
    source, again = (of_label_maps(tmp_path, held_out) for _ in range(2))
    assert all(map(torch.equal, source.encoder.state_dict().values(), again.encoder.state_dict().values()))
    assert source.history == again.history
    metadata = source.metadata
    assert (metadata["size"], metadata["slices"]) == ([32, 32], 4 * (3 - held_out))
    assert metadata["classes"] == ["background", "grey", "white"]
    assert metadata["synthesis"]["fineness"] == 2
    assert (source.history[-1]["validation"] is None) == (held_out == 0)
    assert source.examples["images"].shape == source.examples["targets"].shape == (4, 32, 32)
    assert set(np.unique(source.examples["targets"])) <= {0, 1, 2}
    assert not torch.equal(source.encoder.conv1.weight, scratch(SMALL, 1).encoder.conv1.weight)
