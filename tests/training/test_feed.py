import numpy as np
import pytest
import torch

from headstart.slices import store
from headstart.slices.channels import Channels
from headstart.training import feed

CPU = torch.device("cpu")


@pytest.fixture
def slices(tmp_path):
    """Three scans with different numbers of slices, and their labels, on disk."""
    rng = np.random.default_rng(0)
    paths = [[tmp_path / f"{kind}{n}.npy" for n in range(3)] for kind in ("image", "labels")]
    for n, (image, labels) in enumerate(zip(*paths, strict=True)):
        store.write_image(image, rng.random((n + 2, 8, 8)))
        store.write_labels(labels, rng.integers(0, 5, (n + 2, 8, 8)))
    return store.join_pairs(*paths)


def test_every_bit_of_an_intensity_is_kept():
    values = np.array([[[0, 1, 32767], [32768, 40000, 65535]]], np.uint16)
    scaled = feed.as_input(feed.to_device(values, CPU))
    assert scaled.shape == (1, 1, 2, 3)
    assert scaled.dtype == torch.float32
    assert np.array_equal(scaled.numpy()[:, 0], values.astype(np.float32) / np.float32(65535))


@pytest.mark.parametrize("piece", [1, 4, 1024])
def test_slices_copied_to_the_device_in_pieces_are_complete(slices, monkeypatch, piece):
    monkeypatch.setattr(feed, "_PIECE", piece)
    images, labels = slices
    assert np.array_equal(feed.to_device(images, CPU).numpy().view(np.uint16), images[:])
    assert np.array_equal(feed.to_device(labels, CPU).numpy(), labels[:])


@pytest.mark.parametrize("batches", [[[0, 1]], [[8, 0, 3], [2], [5, 4, 7]], [[k] for k in range(9)]])
def test_streamed_and_resident_slices_are_the_same(slices, batches):
    numbers = [torch.tensor(batch) for batch in batches]
    found = [list(kind(*slices, CPU).batches(numbers)) for kind in (feed.Resident, feed.Streamed)]
    for resident, streamed, batch in zip(*found, batches, strict=True):
        assert all(map(torch.equal, resident, streamed))
        assert np.array_equal(resident[1].numpy(), slices[1][np.array(batch)])


def test_slices_are_fed_with_their_neighbours(slices):
    images, labels = slices
    seen = Channels(1, 1, 2).rows(images.lengths)
    batches = [torch.tensor([0, 8, 3]), torch.tensor([5])]
    for limit, kind in ((None, feed.Resident), (0, feed.Streamed)):
        fed = feed.load(images, labels, CPU, limit, seen=seen)
        assert isinstance(fed, kind)
        for (found, targets), batch in zip(fed.batches(batches), batches, strict=True):
            expected = np.stack([images[seen[number]] for number in batch.numpy()])
            assert np.array_equal(found.numpy(), expected.astype(np.float32) / np.float32(65535))
            assert np.array_equal(targets.numpy(), labels[batch.numpy()])


def test_several_images_of_a_scan_are_fed_as_channels_of_one_target(slices):
    images, labels = slices
    both, seen = np.concatenate([images[:], 65535 - images[:]]), Channels(2).rows(images.lengths)
    for limit, kind in ((None, feed.Resident), (0, feed.Streamed)):
        fed = feed.load(both, labels, CPU, limit, seen=seen)
        assert isinstance(fed, kind)
        assert len(fed) == len(labels)
        ((found, targets),) = fed.batches([torch.tensor([7, 0])])
        assert found.shape == (2, 2, 8, 8)
        assert torch.allclose(found.sum(1), torch.ones(2, 8, 8))
        assert np.array_equal(targets.numpy(), labels[np.array([7, 0])])
    with pytest.raises(ValueError, match="there are 9 images, but targets for 8"):
        feed.load(both, labels[:8], CPU, None, seen=seen)


def test_slices_without_targets_give_none(slices):
    for kind in (feed.Resident, feed.Streamed):
        ((images, targets),) = kind(slices[0], None, CPU).batches([torch.tensor([1, 0])])
        assert images.shape == (2, 1, 8, 8)
        assert targets is None


def test_label_maps_without_images_are_fed_as_targets(slices):
    labels = slices[1]
    for limit, kind in ((None, feed.Resident), (0, feed.Streamed)):
        fed = feed.load_labels(labels, 16, CPU, limit)
        assert isinstance(fed, kind)
        assert fed.pixels == 16
        ((images, targets),) = fed.batches([torch.tensor([1, 0, 4])])
        assert images.shape == (3, 1, 0, 0)
        assert np.array_equal(targets.numpy(), labels[np.array([1, 0, 4])])


def test_slices_beyond_the_limit_are_streamed(slices):
    gigabytes = (slices[0].nbytes + slices[1].nbytes) / 1e9
    assert isinstance(feed.load(*slices, CPU, gigabytes), feed.Resident)
    assert isinstance(feed.load(*slices, CPU, gigabytes * 0.99), feed.Streamed)
    assert isinstance(feed.load(*slices, CPU, None), feed.Resident)


def test_a_stream_reads_only_a_few_batches_ahead(slices):
    read = []

    class Watched:
        def __init__(self, array):
            self.array, self.shape = array, array.shape

        def __len__(self):
            return len(self.array)

        def __getitem__(self, numbers):
            read.extend(numbers.tolist())
            return self.array[numbers]

    stream = feed.Streamed(Watched(slices[0]), None, CPU).batches([torch.tensor([k]) for k in range(9)])
    next(stream)
    stream.close()
    assert len(read) <= 1 + feed._AHEAD


def test_images_and_targets_must_have_the_same_number(slices):
    with pytest.raises(ValueError, match="9 images, but targets for 4"):
        feed.load(slices[0], slices[1][:4], CPU, None)
