"""A published model: its files are exact, and the lines of its card load them where headstart is not."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch
from published import save_study
from safetensors.torch import load_file

from headstart.job import UserError, read_json, read_table, sha256, write_json, write_table
from headstart.networks import external_weights, fine_tuned, model_files
from headstart.networks.trunks import Trunk
from headstart.predict import request
from headstart.publish import card, pack
from headstart.publish.choice import read_choice

STUDY = card.Study("study", 5, "", ["fine-tuning and test: `mine`, its own terms"])
SETTINGS = {"target": None, "source": "imagenet", "size": None, "resample": None}


def publish(results, folder, study=STUDY, **settings):
    folder.mkdir()
    pack.pack(folder, read_choice(SETTINGS | settings, {"stroke": {}}, str(results)), study)
    return folder


NETWORKS = {"unet": {}, "paper": {"decoder": "paper"}, "three layers": {"unet_widths": (16, 8, 8, 4)}}


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, tmp_path_factory):
    """The results of a study, its network, and the folder of the published one."""
    place = tmp_path_factory.mktemp("made")
    network = save_study(place / "study", **NETWORKS[request.param])["imagenet", 1]
    return place / "study", network, publish(place / "study", place / "published")


def slices(count=3):
    return torch.rand(count, 1, 64, 64, generator=torch.Generator().manual_seed(1))


def block(folder, word):
    """The block of the card's code in which a word stands."""
    text = (folder / "README.md").read_text()
    (found,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if word in code]
    return found


def run(folder, word, monkeypatch):
    """What the lines of a block leave behind, run as they stand in the card's folder."""
    monkeypatch.chdir(folder)
    names = {}
    exec(block(folder, word), names)
    return names


def test_the_program_computes_exactly_what_the_network_computes(made, monkeypatch):
    _, network, folder = made
    loaded = run(folder, "torch.export", monkeypatch)
    assert loaded["labels"].shape == (3, 64, 64)
    for count in (1, 2, 7):
        with torch.no_grad():
            assert torch.equal(loaded["network"](slices(count)), network(slices(count))), count


def test_the_program_needs_torch_alone(made):
    _, _, folder = made
    hidden = "import sys\nfor name in ('headstart', 'monai', 'numpy'): sys.modules[name] = None\n"
    code = f"{hidden}{block(folder, 'torch.export')}\nprint(tuple(labels.shape))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(3, 64, 64)\n"


def test_no_file_tells_of_the_machine(made):
    _, _, folder = made
    held = {path.name: path.read_bytes() for path in folder.iterdir()}
    with zipfile.ZipFile(folder / "network.pt2") as program:
        held |= {name: program.read(name) for name in program.namelist()}
    for name, content in held.items():
        for told in (str(folder), sys.prefix, "workflow_scripts", "site-packages"):
            assert told.encode() not in content, (name, told)


def test_the_encoder_is_the_trunk_alone(made):
    _, network, folder = made
    published, own = load_file(folder / "encoder.safetensors"), network.encoder.state_dict()
    trunk = Trunk("resnet18", layers=len(network.encoder.channels) - 1)
    assert published.keys() == trunk.state_dict().keys()
    assert all(torch.equal(tensor, own[name]) for name, tensor in published.items())
    # Also as a source of another study.
    file = external_weights.WeightFile(folder / "encoder.safetensors", None, None, None)
    assert not external_weights.load_trunk(trunk, file).unused


def test_the_lines_for_monai_give_the_same_features(made, monkeypatch):
    _, network, folder = made
    loaded = run(folder, "monai", monkeypatch)["network"].eval()
    with torch.no_grad():
        assert torch.equal(loaded(slices()), network.encoder.maps(slices())[-1].mean((2, 3)))


@pytest.mark.publish
def test_the_lines_for_torchvision_give_the_same_maps(made, monkeypatch, torchvision):
    _, network, folder = made
    loaded = run(folder, "torchvision", monkeypatch)["network"].eval()
    current, maps = loaded.relu(loaded.bn1(loaded.conv1(slices()))), []
    layers = (loaded.layer1, loaded.layer2, loaded.layer3, loaded.layer4)
    for layer in (each for each in layers if not isinstance(each, torch.nn.Identity)):
        current = layer(current if maps else loaded.maxpool(current))
        maps.append(current)
    with torch.no_grad():
        for found, own in zip(maps, network.encoder.maps(slices())[1:], strict=True):
            assert torch.equal(found, own)


@pytest.mark.publish
def test_the_lines_for_timm_give_the_same_maps(made, monkeypatch, torchvision):
    _, network, folder = made
    pytest.importorskip("timm", reason="timm is not installed: make test-publish")
    loaded = run(folder, "timm", monkeypatch)["network"].eval()
    with torch.no_grad():
        for found, own in zip(loaded(slices()), network.encoder.maps(slices()), strict=True):
            assert torch.equal(found, own)


@pytest.mark.publish
def test_the_other_lines_for_timm_are_right_too(made, monkeypatch, torchvision):
    _, network, folder = made
    timm = pytest.importorskip("timm", reason="timm is not installed: make test-publish")
    told = "add `num_classes=0`" in (folder / "README.md").read_text()
    assert told == hasattr(network.encoder, "layer4")
    if not told:
        return
    loaded = timm.create_model("resnet18", in_chans=1, num_classes=0).eval()
    loaded.load_state_dict(load_file(folder / "encoder.safetensors"))
    with torch.no_grad():
        assert torch.equal(loaded.forward_features(slices()), network.encoder.maps(slices())[-1])


def test_headstart_predicts_with_the_published_folder(made):
    _, network, folder = made
    loaded = fine_tuned.load(folder / "model.safetensors", request.read_metadata(folder))
    with torch.no_grad():
        assert torch.equal(loaded(slices()), network(slices()))


def test_the_metadata_have_all_hashes_and_the_scores(made):
    _, _, folder = made
    metadata = read_json(folder / "model.json")
    files = {path.name for path in folder.iterdir()} - {"model.json", "README.md"}
    assert metadata["sha256"] == {name: sha256(folder / name) for name in files}
    assert metadata["published"]["score"] == pytest.approx(0.71)
    assert {row["size"] for row in metadata["published"]["scores"]} == {2, 4}


def test_the_card_of_a_source_without_held_out_slices_has_no_score_of_them(made, tmp_path):
    results, _, _ = made
    copied = Path(shutil.copytree(results, tmp_path / "study"))
    (told,) = copied.glob("pretrain/imagenet/training.tsv")
    epoch = {"epoch": 1, "learning_rate": 1e-3, "loss": 0.5, "validation": None, "fall": None}
    trained = {"slices": 9, "files": 3, "measure": "dice"}
    model_files.save(torch.nn.Linear(1, 1), tmp_path / "made/encoder.safetensors", {}, [epoch])
    shutil.copy(tmp_path / "made/training.tsv", told)
    write_json(told.with_name("model.json"), read_json(told.with_name("model.json")) | trained)
    card_text = (publish(copied, tmp_path / "published") / "README.md").read_text()
    assert "- epochs: 1" in card_text
    assert "held-out slices" not in card_text


def test_a_source_can_be_published_as_it_is_pre_trained(made, tmp_path):
    results, _, _ = made
    copied = Path(shutil.copytree(results, tmp_path / "study"))
    for name in ("summary", "scores"):
        table = read_table(copied / f"tables/{name}.tsv")
        as_pretrained = table[(table["size"] == 2) & (table["source"] == "imagenet")].assign(size=0)
        write_table(copied / f"tables/{name}.tsv", pd.concat([as_pretrained, table]))
    runs = copied / "finetune/stroke/imagenet"
    shutil.copytree(runs / "size-4_resample-2", runs / "size-0_resample-1")
    text = (publish(copied, tmp_path / "published", size=0) / "README.md").read_text()
    assert "pre-trained as the source `imagenet`, and not fine-tuned on any labelled scan, in the study" in text
    assert "with 0 labelled scans" in text
    assert "Fine-tuning:" not in text
    same = (runs / "size-0_resample-1/model.safetensors").read_bytes()
    assert (tmp_path / "published/model.safetensors").read_bytes() == same


def test_the_card_says_what_counts(made):
    _, _, folder = made
    text = (folder / "README.md").read_text()
    for said in (
        "# stroke: imagenet",
        "Research use only; not a medical device.",
        "| 4 | volume | 0.700 [0.600, 0.800] | -0.125 [-0.250, +0.062] | 0.500 | 2 | 5 |",
        "5 participants, on whom the model that was tested was not fine-tuned",
        "This very model: 0.710 per volume.",
        "stroke: no difference.",
        "- fine-tuning and test: `mine`, its own terms",
        "- trained on: resnet18.pth",
        "voxels of 4 mm",
        "the top 40 mm and the bottom 30 mm",
    ):
        assert said in text, said
    assert "in common" not in text


def test_the_baseline_has_no_gain_and_an_overlap_is_said(made, tmp_path):
    results, _, _ = made
    study = card.Study("study", 5, "stroke: one generator made both", [])
    folder = publish(results, tmp_path / "again", study, source=None)
    text = (folder / "README.md").read_text()
    assert "| 4 | volume | 0.800 [0.700, 0.900] | n/a | n/a | 2 | 5 |" in text
    assert "may have, in common: stroke: one generator made both." in text
    assert read_json(folder / "model.json")["published"]["scores"][0]["gain"] is None


def test_equal_models_give_equal_bytes(made, tmp_path):
    results, _, folder = made
    again = publish(results, tmp_path / "again")
    for path in folder.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_weights_that_are_not_those_of_the_metadata_are_refused(made, tmp_path):
    results, _, _ = made
    copied = shutil.copytree(results, tmp_path / "study")
    place = copied / "finetune/stroke/imagenet/size-4_resample-1/model.json"
    metadata = json.loads(place.read_text())
    place.write_text(json.dumps(metadata | {"sha256": {"model.safetensors": "0"}}))
    with pytest.raises(UserError, match="is not the file that .* describes"):
        publish(copied, tmp_path / "published")
