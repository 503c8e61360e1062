import re

import numpy as np
import pandas as pd
import pytest
import yaml

from headstart.networks.decoders import DECODER_LAYERS, DISCRIMINATOR_LAYERS, HIDDEN, LEAK
from headstart.report import html, methods, runtimes
from headstart.settings import left_out, resolve
from headstart.training.tasks import GAN_WEIGHT, L1_WEIGHT

VERSIONS = {
    "headstart": "1.2", "python": "3.11", "snakemake": "9", "torch": "2.13.0+cpu", "monai": "1.6", "scipy": "1.15",
    "nipype": "1.11", "picsl_greedy": "1.4",
}  # fmt: skip
STUDIES = ["config.yaml", "studies/paper.yaml", "studies/oasis.yaml"]
# Scans and people of the datasets that are not phantoms.
KNOWN = {
    "studies/paper.yaml": {"bahc": (2001, 2001), "stroke": (304, 304), "ms": (30, 30), "anatomy": (35, 30)},
    "studies/oasis.yaml": {"cohort": (8, 8), "anatomy": (15, 15)},
}
# Words and phrases that no journal would print.
QUAINT = re.compile(
    r"told.apart|made.up|hangs?.on|\ban[e]w\b|\bd[e]ar\b|learn[t]|whose.they.are|stood|both.sides|\bm[e]nd|"
    r"(?<!round )truth|less its own|(?<!\*)picture|person|people"
)
# What a template leaves where it goes wrong: doubled or lone punctuation, numbers as Python writes them.
ARTEFACTS = re.compile(r" [.,;]|\( | \)|\.\.|,\.|;\.|\d\.0\b(?!\.)|\de-\d|\bNone\b|\bnan\b|[{}]")
PLURALS_OF_ONE = re.compile(r"\b1 (\w+ )?(scan|slice|epoch|resample|network|pair|participant|training set|image)s\b")


@pytest.fixture
def configured(pytestconfig):
    """A function that resolves a study, with changes laid over it."""
    root = pytestconfig.rootpath

    def resolved(study="config.yaml", **changes):
        own = yaml.safe_load((root / study).read_text()) if study != "config.yaml" else {}
        return resolve(root / "config.yaml", root / "rules/schemas/config.schema.yaml", own | changes)

    return resolved


def people_of(config, study="config.yaml", **known):
    """The table of participants of a study whose scans are not there."""
    rows = []
    for name, entry in config["datasets"].items():
        if "pictures" in entry:
            continue
        scans, people = KNOWN[study][name] if study in KNOWN else (entry["people"], entry["people"])
        ages = {"age_known": people, "age_mean": 41.53, "age_sd": 7.25, "age_min": 20.0, "age_max": 71.0}
        sexes = {"female": people - 1, "male": 1, "other": 0, "sex_unknown": 0}
        rows.append({"dataset": name, "scans": scans, "people": people, **ages, **sexes, "sites": None, **known})
    return pd.DataFrame(rows)


def text_of(config, compared, backend="ants", study="config.yaml", versions=VERSIONS, **known):
    """The methods, in one line."""
    return " ".join(methods.text(config, compared, backend, people_of(config, study, **known), versions).split())


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("backend", ["ants", "fsl"])
def test_every_citation_has_its_reference_and_every_reference_is_cited(configured, study, backend):
    config = configured(study)
    text = methods.text(config, config["pretrain"]["sources"], backend, people_of(config, study), VERSIONS)
    cited, listed = re.findall(r"\[(\w+)\]_", text), re.findall(r"^\.\. \[(\w+)\] \S", text, re.M)
    assert set(cited) == set(listed)
    assert len(listed) == len(set(listed))
    assert {"Zoetmulder2022", "Fonov2011", "Field2007"} <= set(listed)


def test_every_reference_may_be_cited():
    sentences = "".join((methods.FOLDER / name).read_text() for name in (methods.TEMPLATE, "methods_facts.py"))
    assert set(re.findall(r"\[([A-Z]\w+\d{4})\]_", sentences)) == set(methods.references())


@pytest.mark.parametrize("study", STUDIES)
def test_methods_are_a_page_without_warnings_whose_links_work(configured, study):
    config = configured(study)
    text = methods.text(config, config["pretrain"]["sources"], "fsl", people_of(config, study), VERSIONS)
    page = html.html("Methods", text)  # a warning of docutils is an error here
    anchors, there = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r'id="([^"]+)"', page))
    assert anchors
    assert anchors <= there
    assert 'class="problematic"' not in page
    assert not re.search(r'(src|<link[^>]*href)="?https?:', page)


@pytest.mark.parametrize("study", STUDIES)
def test_methods_read_like_a_paper(configured, study):
    config = configured(study)
    compared = [source for source in config["pretrain"]["sources"] if source not in left_out(config["pretrain"])]
    text = text_of(config, compared, study=study)
    sentences = text.partition(" Software ")[0]
    assert not QUAINT.search(sentences)
    assert not ARTEFACTS.search(sentences)
    assert not PLURALS_OF_ONE.search(sentences)
    for name, target in config["targets"].items():
        assert f"Target *{name}* (dataset *{target['dataset']}*): segmentation of " in text
    for source in compared:
        assert f"- *{source}*: " in text


def test_methods_of_the_papers_study(configured):
    study = "studies/paper.yaml"
    config = configured(study)
    text = text_of(config, config["pretrain"]["sources"], "fsl", study, VERSIONS | {"fsl": "FSL 6.0.7"})
    for said in (
        "2001 T1-weighted scans of 2001 participants (mean age 41.5 years, SD 7.2, range 20 to 71; 2000 female, 1 male",
        "Manual labels served as ground truth.",
        "the 1st and 99th percentiles of the voxels of the head and scaled linearly to the range [0, 1]",
        "zero-padded to 256 × 256 pixels",
        "over 61 mm and 0 mm for *bahc*, leaving 128 slices per scan; 29 mm and 0 mm for *stroke*, leaving 160 slices",
        "11 mm and 50 mm for *ms* and *anatomy*, leaving 128 slices per scan",
        "voxels of 1 mm",
        "Tools of FSL 6.0.7 [Jenkinson2012]_",
        "FAST [Zhang2001]_",
        "FIRST [Patenaude2011]_",
        "The encoder was a ResNet-50 [He2016]_",
        "a latent representation of 16 × 16 × 4",
        "The classification head used a softmax activation",
        "256,000 photographs of building interiors from Taskonomy",
        "128,000 photographs of 100 indoor classes of ImageNet",
        "They were trained on 254,848 slices of 1991 scans of *bahc*, 236,000 images of *rooms* and 108,000 images of "
        "*things*, for 30 epochs",
        "(10 scans of *bahc*, 20,000 images of *rooms* and 20,000 images of *things*)",
        "fine-tuned for 30 epochs on 10, 20, 30, 40, 50, 60, 70, 80, 90 and 100 labelled scans, with 10 training sets "
        "of each size (resamples). The test set comprised 104 scans, drawn at random by participant",
        "fine-tuned for 60 epochs on all 20 scans that were not in the test set. The test set comprised 10 scans",
        "The test set comprised 20 predefined scans (1003,",
        "white matter (labels 44 and 45)",
        "In total, 816 networks were fine-tuned.",
        "batches of 32 slices, an initial learning rate of 10⁻⁴, which was multiplied by 0.1 after 50 % of the "
        "training, and an L2 penalty (weight decay) of 2 × 10⁻⁴",
        "No participant was in both the training set and the test set of a target task",
        "more than 0 % or 20 % of its voxels",
        "a volume below 1 or 2 mL were disregarded (each cutoff in turn, and without a cutoff); with",
        "95 % confidence intervals were computed by a cluster bootstrap [Field2007]_ with 10,000 draws",
        "all 28 pairs of sources by Holm's method",
        "Differences with an adjusted *p* < 0.05 were considered significant.",
        "The number of labelled scans saved by a source",
        "Each source was pre-trained once, from a single random initialisation. The",
        "For *ms* and *anatomy*, only one training set of each size was used",
        "Other packages were Nipype 1.11 and SciPy 1.15.",
        "derived from the seed 2022",
    ):
        assert said in text, said


def test_methods_follow_the_configuration(configured):
    config = configured(
        register={"percentiles": [2, 97.5]},
        slice={"size": 96, "presence_voxels": 3},
        network={"decoder": "paper", "normalisation": "none"},
        training={"learning_rate": 0.005, "batch_size": 8, "decay_factor": 1, "precision": "float32"},
        evaluate={"empty": "one", "bootstrap": 500, "lesions": {"volume_ml": [0], "overlap": [0.1]}},
        seed=7,
    )
    text = text_of(config, ["scratch", "t1-classification"])
    for said in (
        "the 2nd and 97.5th percentiles",
        "96 × 96 pixels",
        "at least 3 voxels of it",
        "were followed by a leaky ReLU",
        "batches of 8 slices, an initial learning rate of 0.005 and an L2 penalty",
        "carried out in single precision.",
        "slice or volume scored 1; a class",
        "with 500 draws",
        "more than 10 % of its voxels were segmented. A false positive",
        "any lesion. Lesion-wise sensitivity",
        "The classification head used a sigmoid activation",
        "As only one pair of sources was compared",
        "Differences with *p* < 0.05",
        "the seed 7",
        "PyTorch 2.13.0 [Paszke2019]_",
        "Other packages were picsl_greedy 1.4 and SciPy 1.15.",
    ):
        assert said in text, said
    for other in ("FAST", "FSL", "natural images", "ImageNet", "Wells1996", "in turn", "statsmodels 0", "deepbet 1"):
        assert other not in text, other


def test_methods_leave_out_what_the_sources_do_not_use(configured):
    config = configured()
    without = text_of(config, ["scratch"])
    for other in (
        "*cohort*",
        "Labels for pre-training",
        "auto-encoding",
        "classification",
        "photographs",
        "compared by",
    ):
        assert other not in without, other
    assert "initialised at random, differently for each training set (baseline)" in without
    assert "pre-training runs" not in without
    images = text_of(config, ["natural-autoencoding"])
    assert "trained on 1100 images of *pictures*, for 6 epochs." in images
    assert "the sum of the mean absolute error" in images
    assert "*cohort*" not in images
    assert "the baseline" not in images
    scans = text_of(config, ["scratch", "t1-autoencoding"])
    assert "trained on 165 slices of 5 scans of *cohort*, for 16 epochs." in scans
    assert "Labels for pre-training" not in scans


def test_methods_describe_a_labelling_network(configured):
    config = configured(
        label={"learn": {"scans": 3, "held_out": 1, "epochs": 20}}, pretrain={"epochs": 1, "held_out": 0}
    )
    text = text_of(config, ["t1-segmentation", "natural-segmentation"])
    assert "3 randomly drawn scans of *cohort* were labelled in this way. A U-Net [Ronneberger2015]_" in text
    assert "measured on 1 further scan." in text
    assert "for 1 epoch. No data augmentation was used." in text
    assert "held out to monitor" not in text


PHOTOS = {"degrees": 10, "scale": 0.1, "mirror": True}


def test_methods_describe_the_augmentation_of_each_source(configured):
    never, often = ({"probability": p, "low": -5, "high": 7.5} for p in (0, 0.5))
    augment = {
        "natural-segmentation": PHOTOS,
        "natural-autoencoding": PHOTOS,
        "t1-segmentation": {"rotation": often, "shear": never, "mirror": False},
        "t1-classification": {"shear": never, "mirror": False},
    }
    config = configured(pretrain={"augment": augment, "epochs": 1})
    text = text_of(config, ["scratch", *augment, "t1-autoencoding"])
    at_random = "slices were augmented at random each time they were seen, by"
    for said in (
        f"For *natural-segmentation* and *natural-autoencoding*, {at_random} rotation (up to ± 10°), scaling (up to "
        "± 10 %) and left-right mirroring (probability 0.5). ",
        f"For *t1-segmentation*, {at_random} rotation (−5 to 7.5°; probability 0.5). ",
        "For *t1-autoencoding* and *t1-classification*, no data augmentation was used. ",
        "the same for all sources, apart from the augmentation of pre-training.",
    ):
        assert said in text, said
    assert "*scratch*, no data augmentation" not in text
    alike = text_of(config, ["scratch", "natural-segmentation", "natural-autoencoding"])
    assert "no data augmentation was used" not in alike
    assert "the same for all sources." in alike


def test_methods_describe_the_augmentation_of_fine_tuning(configured):
    config = configured()
    text = text_of(config, ["scratch"])
    assert (
        "For every source, slices were augmented at random each time they were seen in fine-tuning, by rotation" in text
    )
    kinds = config["finetune"]["augment"].keys() - {"mirror"}
    assert len(re.findall(r"[(;][^(;]*; probability 0\.\d+\)", text)) == len(kinds)
    assert "left-right mirroring (probability 0.5)." in text
    without = text_of(configured(finetune={"augment": None}), ["scratch"])
    assert "No data augmentation was used in fine-tuning." in without
    assert "augmented" not in without


def test_methods_describe_the_learning_rates_of_fine_tuning(configured):
    tried = configured(finetune={"learning_rates": [0.01, 0.0001], "draws": 3, "encoder_factor": 0.1})
    text = text_of(tried, ["scratch", "t1-segmentation"])
    for said in (
        "chosen for each source and target task, from 0.01 and 10⁻⁴: the one with the highest score (the metric of the "
        "task) on validation scans, averaged over 3 random draws of training and validation scans from participants "
        "outside all test sets.",
        "the learning rate of the encoder was that of the decoder times 0.1.",
        "the same for all sources, apart from the learning rate of fine-tuning.",
    ):
        assert said in text, said
    one = text_of(configured(finetune={"learning_rates": [0.01], "encoder_factor": 0}), ["scratch"])
    assert "In fine-tuning, the initial learning rate was 0.01." in one
    assert "decoder, and the weights of the decoder were trained on labelled scans" in one
    assert "the same for all sources." in one
    assert "In fine-tuning" not in text_of(configured(), ["scratch"])


def test_methods_describe_the_splits(configured):
    config = configured("studies/oasis.yaml")
    target = config["targets"]["anatomy"]
    target |= {"split": "redrawn", "resamples": 1, "test": 3, "sizes": [1, 2]}
    study = "studies/oasis.yaml"
    text = text_of(config, ["scratch"], study=study, people=8)
    assert "on 1 and 2 labelled scans, with 1 training set of each size." in text
    assert "comprised at least 3 scans, drawn at random by participant and redrawn for each resample." in text
    target |= {"resamples": 4, "sizes": [12], "split": "fixed"}
    text = text_of(config, ["scratch"], study=study)
    assert "all 12 scans that were not in the test set, 4 times (resamples) with different initial weights" in text


def test_methods_describe_participants_of_whom_little_is_known(configured):
    study = "studies/oasis.yaml"
    config = configured(study)
    unknown = {
        "age_known": 0,
        "age_mean": None,
        "age_sd": None,
        "age_min": None,
        "age_max": None,
        "female": 0,
        "male": 0,
    }
    assert "[Marcus2007]_." in text_of(config, ["scratch"], study=study, **unknown, sex_unknown=9)
    one = unknown | {"age_known": 1, "age_mean": 30.0, "age_min": 30.0, "age_max": 30.0, "female": 1, "sex_unknown": 8}
    text = text_of(config, ["scratch"], study=study, **one, sites="A, B")
    assert "(mean age 30.0 years, range 30 to 30, known for 1; 1 female, sex unknown for 8; 2 sites)" in text


def test_names_that_look_like_markup_are_escaped(configured):
    config = configured()
    config["targets"]["ms"]["classes"] = {"*le_sion*": [1]}
    text = methods.text(config, ["scratch"], "ants", people_of(config), VERSIONS)
    assert "<em>le" not in html.html("Methods", text)
    assert "*le_sion*" in html.html("Methods", text)


def test_methods_describe_a_unet_its_transfer_and_equal_steps(configured):
    config = configured(
        network={"decoder": "unet", "unet_widths": [32, 16, 8, 8, 4]},
        training={"norms": "reestimated", "warm_up": 0.1},
        pretrain={"transfer": {"t1-segmentation": "all"}},
    )
    for target in config["targets"].values():
        target.update(epochs=None, steps=200)
    text = text_of(config, ["scratch", "t1-segmentation", "t1-autoencoding", "t1-classification"])
    for said in (
        "The networks were U-Nets [Ronneberger2015]_",
        "had 32, 16, 8, 8 and 4 channels",
        "no skip connections, with which it would have copied the image",
        "the last map of the encoder was averaged over its pixels",
        "Of *t1-segmentation* the whole network was fine-tuned",
        "fine-tuned for 200 updates on",
        "During the first 10 % of the updates the learning rate rose linearly from zero",
        "the statistics of batch normalisation were re-estimated from the training slices",
    ):
        assert said in text, said
    for other in ("latent", "Zamir2018", "epochs on 2"):
        assert other not in text, other


def test_the_text_states_the_constants_of_the_networks(configured):
    config = configured(network={"decoder": "paper"})
    text = text_of(config, config["pretrain"]["sources"])
    channels, kernels, strides = (html.listed(part) for part in zip(*DISCRIMINATOR_LAYERS, strict=True))
    assert f"(kernel sizes {kernels}; strides {strides}; {channels} channels)" in text
    assert list(DECODER_LAYERS) == ["same", "same"] + 4 * ["up", "same"]
    assert f"a fully connected layer of {HIDDEN} units" in text
    assert f"(slope {LEAK})" in text
    assert f"(weight {L1_WEIGHT})" in text
    assert f"(weight {GAN_WEIGHT})" in text


@pytest.mark.parametrize("value", ["a_b", "*x*", "`y`", "|z|", "back\\slash", "n_"])
def test_plain_text_is_shown_as_it_is(value):
    page = html.html("t", html.table(["name"], [[html.plain(value)]]))
    assert f"<p>{value}</p>" in page


def test_times_by_rule_worked_by_hand(tmp_path):
    for name, seconds, peak in (("a/x/1", 2.0, "10.0"), ("a/x/2", 4.0, "30.0"), ("b", 1.0, "NA")):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0\t{peak}\n")
    table = runtimes.stages(tmp_path).set_index("rule")
    assert table.loc["a"].tolist() == [2, 3, 6, 30]
    assert table.loc["b"].tolist()[:3] == [1, 1, 1]
    assert np.isnan(table.loc["b", "peak_mib"])


def test_versions_are_those_installed():
    table = runtimes.versions().set_index("name")["version"]
    assert table["numpy"] == np.__version__
    assert table.index.is_unique
    assert {"system", "python"} <= set(table.index)
