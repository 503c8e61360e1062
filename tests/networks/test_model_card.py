from headstart.networks import model_card
from headstart.version import __version__

METADATA = {"kind": "segmentation", "encoder": "resnet18", "size": [32, 48], "intensities": "[0, 1]"}
TRAINED = {"source": "t1-segmentation", "slices": 8, "files": 2, "measure": "mean IoU"}


def card(folder, metadata, history):
    model_card.write(folder / "README.md", metadata, history)
    return (folder / "README.md").read_text()


def test_a_card_says_what_the_encoder_is_and_how_to_use_it(tmp_path):
    text = card(tmp_path, METADATA | TRAINED, [{"epoch": 1, "validation": 0.25}, {"epoch": 2, "validation": 0.5}])
    for line in (
        "# Encoder: t1-segmentation",
        f"A resnet18 with one input channel, pre-trained by headstart {__version__}.",
        "- task: segmentation",
        "- trained on: 8 slices in 2 files",
        "- epochs: 2",
        "- mean IoU on held-out slices: 0.500",
        "- input: slices of 32 x 48 pixels, one channel, intensities in [0, 1]",
        "network = torchvision.models.resnet18()",
    ):
        assert line in text.splitlines(), line


def test_a_card_says_that_the_last_layer_is_left_out(tmp_path):
    lines = card(tmp_path, METADATA | {"layers": 3}, []).splitlines()
    said = "A resnet18 with one input channel and without its last layer, pre-trained by headstart"
    assert f"{said} {__version__}." in lines
    assert "network.layer4 = torch.nn.Identity()  # which this encoder lacks" in lines


def test_the_card_of_an_untrained_encoder(tmp_path):
    lines = card(tmp_path, METADATA, []).splitlines()
    assert "# Encoder: segmentation" in lines
    assert "- trained on: nothing" in lines
    assert "- epochs: 0" in lines
    assert not any("held-out" in line for line in lines)


def test_the_card_of_weights_from_a_file_names_the_file(tmp_path):
    lines = card(tmp_path, METADATA | {"file": "resnet18.pth"}, []).splitlines()
    assert "- trained on: resnet18.pth" in lines


def test_the_card_of_weights_from_a_file_says_what_became_of_each_tensor(tmp_path):
    tensors = {
        "loaded": tuple(f"layer1.{n}" for n in range(11)),
        "adapted": ("conv1.weight", "bn1.running_mean"),
        "missing": (),
        "unused": ("fc.weight",),
    }
    expects = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.2, 0.3)}
    lines = card(tmp_path, METADATA | {"file": "a.pth", "tensors": tensors, "file_expects": expects}, []).splitlines()
    for line in (
        "- loaded: 11 tensors",
        "- adapted: 2 tensors (conv1.weight, bn1.running_mean)",
        "- missing: 0 tensors",
        "- unused: 1 tensors (fc.weight)",
        "- input of the file, folded into the first layer: mean 0.4, 0.5, 0.6; standard deviation 0.2, 0.2, 0.3",
    ):
        assert line in lines, line
