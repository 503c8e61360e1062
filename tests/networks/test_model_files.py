import pytest
import small
import torch
from torch import nn

from headstart.job import UserError, read_json, read_table, sha256
from headstart.networks import model_files

METADATA = {"kind": "segmentation", "template": "MNI152NLin2009aSym", "voxel_mm": 1.0, "size": [256, 256]}
HISTORY = [
    {"epoch": 1, "learning_rate": 1e-4, "loss": 1 / 3, "validation": None, "fall": None},
    {"epoch": 2, "learning_rate": 1e-5, "loss": 0.25, "validation": 0.5, "fall": 0.125},
]


def network(channels=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, channels, 3), nn.BatchNorm2d(channels))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "encoder.safetensors"
    model_files.save(network(seed=1), path, METADATA, HISTORY)
    return path


def test_weights_come_back_bit_for_bit(saved):
    model = network(seed=2)
    model_files.load_state(model, saved, METADATA)
    original = network(seed=1).state_dict()
    assert all(torch.equal(tensor, original[name]) for name, tensor in model.state_dict().items())


def test_equal_weights_give_equal_files(tmp_path, saved):
    model = network(seed=1).to(memory_format=torch.channels_last)
    model_files.save(model, tmp_path / "again" / "encoder.safetensors", METADATA, HISTORY)
    for name in ("encoder.safetensors", "model.json", "training.tsv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_metadata_and_history_are_written_beside_the_weights(saved):
    metadata = read_json(saved.with_name("model.json"))
    assert {key: metadata[key] for key in METADATA} == METADATA
    assert metadata["sha256"] == {"encoder.safetensors": sha256(saved)}
    lines = saved.with_name("training.tsv").read_text().splitlines()
    assert lines[0] == "epoch\tlearning_rate\tloss\tvalidation\tfall"
    assert lines[1] == "1\t0.0001\t0.3333333333333333\tn/a\tn/a"
    assert lines[2] == "2\t1e-05\t0.25\t0.5\t0.125"
    read = read_table(saved.with_name("training.tsv"))
    assert read["validation"].isna().tolist() == read["fall"].isna().tolist() == [True, False]


def test_an_untrained_network_has_an_empty_history(tmp_path):
    model_files.save(network(), tmp_path / "encoder.safetensors", METADATA)
    assert (tmp_path / "training.tsv").read_text() == "epoch\tlearning_rate\tloss\tvalidation\tfall\n"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("template", "MNI305", "'MNI152NLin2009aSym' but this study needs 'MNI305'"),
        ("voxel_mm", 2.5, "1.0 but this study needs 2.5"),
        ("size", [96, 96], r"\[256, 256\] but this study needs \[96, 96\]"),
        ("classes", 4, "None but this study needs 4"),
    ],
)
def test_weights_made_for_another_study_are_refused(saved, key, value, said):
    model = network()
    before = model[0].weight.clone()
    with pytest.raises(UserError, match=rf"model\.json says {key} is {said}"):
        model_files.load_state(model, saved, {key: value})
    assert torch.equal(model[0].weight, before)


def test_weights_that_do_not_fit_are_refused(saved):
    named = r"0\.weight, 0\.bias, 1\.weight, 1\.bias, 1\.running_mean and 1 more"
    with pytest.raises(UserError, match=rf"6 tensors of another shape \({named}\)"):
        model_files.load_state(network(channels=5), saved)
    with pytest.raises(UserError, match=r"5 tensors unknown \(1\."):
        model_files.load_state(network()[:1], saved)
    with pytest.raises(UserError, match=r"2 tensors missing \(2\."):
        model_files.load_state(network().append(nn.Conv2d(3, 3, 1)), saved)


def test_a_file_other_than_the_one_described_is_refused(saved):
    description = saved.with_name("model.json").read_bytes()
    model_files.save(network(seed=3), saved, METADATA)
    saved.with_name("model.json").write_bytes(description)
    with pytest.raises(UserError, match="is not the file that"):
        model_files.load_state(network(), saved, METADATA)


@pytest.mark.parametrize("gone", ["encoder.safetensors", "model.json"])
def test_a_missing_file_is_named(saved, gone):
    saved.with_name(gone).unlink()
    with pytest.raises(UserError, match=f"{gone} does not exist"):
        model_files.load_state(network(), saved, METADATA)


@pytest.mark.parametrize("kept", [0, 4, 200])
def test_a_file_cut_short_is_named(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"encoder\.safetensors is (damaged|empty).*; make or download it again"):
        model_files.load_state(network(), saved)


def test_torch_files_are_read_too(tmp_path):
    torch.save(network(seed=1).state_dict(), tmp_path / "weights.pth")
    model_files.load_state(network(), tmp_path / "weights.pth")


def test_versions_name_the_packages_that_compute():
    assert set(model_files.versions("resnet18")) == {"headstart", "torch"}
    assert set(model_files.versions("monai/efficientnet-b0")) == {"headstart", "torch", "monai"}


CLASSES = ["background", "lesion", "edema"]


def transferred(folder, source, classes, target):
    """Layers of ``source``, trained for ``classes``, that a target with CLASSES takes into ``target``."""
    path = folder / "encoder.safetensors"
    model_files.save(network(), path, {"classes": classes}, beside={"decoder.safetensors": source})
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    layers = model_files.load_layers(target, folder / "decoder.safetensors", CLASSES, small.architecture())
    given = source.state_dict()
    for name, tensor in target.state_dict().items():
        taken = any(name.startswith(f"{layer}.") for layer in layers)
        assert torch.equal(tensor, given[name] if taken else before[name]), name
    return layers


@pytest.mark.parametrize("kind", ["unet", "paper"])
def test_every_tensor_of_a_decoder_belongs_to_one_layer(kind):
    decoder = small.architecture(decoder=kind).make_decoder(3, 1)
    for name in decoder.state_dict():
        assert sum(name.startswith(f"{layer}.") for layer in decoder.layer_names) == 1, name


@pytest.mark.parametrize("kind", ["unet", "paper"])
def test_a_decoder_is_taken_whole_where_the_classes_are_the_same(tmp_path, kind):
    source, target = (small.architecture(decoder=kind).make_decoder(3, seed) for seed in (1, 2))
    assert transferred(tmp_path, source, CLASSES, target) == target.layer_names


@pytest.mark.parametrize("kind", ["unet", "paper"])
@pytest.mark.parametrize("classes", [["background", "edema", "lesion"], ["sky", "tree", "house"], []])
def test_the_last_layer_is_not_taken_where_as_many_classes_are_others(tmp_path, kind, classes):
    source, target = (small.architecture(decoder=kind).make_decoder(3, seed) for seed in (1, 2))
    assert transferred(tmp_path, source, classes, target) == target.layer_names[:-1]


def test_a_convolution_that_does_not_fit_leaves_its_norm_behind(tmp_path):
    """Without skip connections the first convolution of each step has fewer inputs, its norm has the same size."""
    unet = small.architecture(decoder="unet")
    source, target = unet.make_decoder(1, 1, skips=False), unet.make_decoder(3, 2)
    parts = ("upsample", "convs.conv_1")
    assert transferred(tmp_path, source, [], target) == [f"ups.{step}.{part}" for step in range(5) for part in parts]


def test_a_decoder_of_another_training_is_refused(tmp_path):
    decoder = small.architecture(decoder="unet").make_decoder(3, 1)
    model_files.save(network(), tmp_path / "encoder.safetensors", {}, beside={"decoder.safetensors": decoder})
    other = small.architecture(decoder="unet").make_decoder(3, 2)
    model_files.save_weights(other, tmp_path / "decoder.safetensors")
    with pytest.raises(UserError, match=r"decoder.safetensors is not the file that .*model.json describes; make or"):
        model_files.load_layers(decoder, tmp_path / "decoder.safetensors", CLASSES, small.architecture())
