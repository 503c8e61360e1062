import re

import pytest
from methods_of import VERSIONS, configured, of_sources, text_of, written

from headstart.networks.decoders import DECODER_LAYERS, DISCRIMINATOR_LAYERS, HIDDEN, LEAK
from headstart.report import html, methods
from headstart.training.tasks import GAN_WEIGHT, L1_WEIGHT

STUDIES = [
    "config.yaml", "studies/tour.yaml", "studies/paper.yaml", "studies/oasis.yaml", "studies/phantoms.yaml",
    "studies/ms.yaml",
]  # fmt: skip
# Words and phrases that no journal would print.
QUAINT = re.compile(
    r"told.apart|made.up|hangs?.on|\ban[e]w\b|\bd[e]ar\b|learn[t]|whose.they.are|stood|both.sides|\bm[e]nd|"
    r"(?<!round )truth|less its own|(?<!\*)picture|person|people"
)
# What a template leaves where it goes wrong: doubled or lone punctuation, numbers as Python writes them.
ARTEFACTS = re.compile(r" [.,;]|\( | \)|\.\.|,\.|;\.|\d\.0\b(?!\.)|\de-\d|\bNone\b|\bnan\b|[{}]")
PLURALS_OF_ONE = re.compile(r"\b1 (\w+ )?(scan|slice|epoch|resample|network|pair|participant|training set|image)s\b")


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("backend", ["ants", "fsl"])
def test_every_citation_has_its_reference_and_every_reference_is_cited(study, backend):
    config = configured(study)
    text = written(config, backend, study)
    cited, listed = re.findall(r"\[(\w+)\]_", text), re.findall(r"^\.\. \[(\w+)\] \S", text, re.M)
    assert set(cited) == set(listed)
    assert len(listed) == len(set(listed))
    assert {"Zoetmulder2022", "Fonov2011", "Field2007"} <= set(listed)


def test_every_reference_may_be_cited():
    sentences = "".join(
        (methods.FOLDER / name).read_text() for name in (methods.TEMPLATE, "methods_facts.py", "methods_sources.py")
    )
    assert set(re.findall(r"\[([A-Z]\w+\d{4})\]_", sentences)) == set(methods.references())


@pytest.mark.parametrize("study", STUDIES)
def test_methods_are_a_page_without_warnings_whose_links_work(study):
    config = configured(study)
    text = written(config, "fsl", study)
    page = html.html("Methods", text)  # a warning of docutils is an error here
    anchors, there = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r'id="([^"]+)"', page))
    assert anchors
    assert anchors <= there
    assert 'class="problematic"' not in page
    assert not re.search(r'(src|<link[^>]*href)="?https?:', page)


@pytest.mark.parametrize("study", STUDIES)
def test_methods_read_like_a_paper(study):
    config = configured(study)
    text = text_of(config, study=study)
    sentences = text.partition(" Software ")[0]
    assert not QUAINT.search(sentences)
    assert not ARTEFACTS.search(sentences)
    assert not PLURALS_OF_ONE.search(sentences)
    for name, target in config["targets"].items():
        assert f"Target *{name}* (dataset *{target['dataset']}*): segmentation of " in text
    for source in config["pretrain"]["sources"]:
        assert f"- *{source}*: " in text


def test_methods_of_the_papers_study():
    study = "studies/paper.yaml"
    config = configured(study)
    text = text_of(config, "fsl", study, VERSIONS | {"fsl": "FSL 6.0.7"})
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
        "a volume below 1 or 2 mL, in template space, were disregarded (each cutoff in turn, and without a cutoff)",
        "two-way analysis of variance with test scans and resamples as crossed random factors",
        "Confidence intervals of the number of labelled scans saved and lesion-wise measures were computed by a "
        "cluster bootstrap [Field2007]_ with 10,000 draws",
        "Results apply to training sets drawn from the scans of this study.",
        "The primary analysis compared each source with the baseline, averaged over the set sizes",
        "if the confidence interval of its gain lay within ± 0.02",
        "Differences with an adjusted *p* < 0.05 were considered significant.",
        "The number of labelled scans saved by a source",
        "up to 3 times it, the number was forecast for *stroke* by fitting a curve to the mean scores",
        "Each source was pre-trained once, from a single random initialisation. The",
        "For *ms* and *anatomy*, only one training set of each size was used: scores are those of single models",
        "Other packages were Nipype 1.11 and SciPy 1.15.",
        "derived from the seed 2022",
    ):
        assert said in text, said


def test_names_that_look_like_markup_are_escaped():
    config = configured()
    config["targets"]["ms"]["classes"] = {"*le_sion*": [1]}
    text = written(of_sources(config, "scratch"))
    assert "<em>le" not in html.html("Methods", text)
    assert "*le_sion*" in html.html("Methods", text)


def test_the_text_states_the_constants_of_the_networks():
    config = configured(network={"decoder": "paper"})
    text = text_of(config)
    channels, kernels, strides = (html.listed(part) for part in zip(*DISCRIMINATOR_LAYERS, strict=True))
    assert f"(kernel sizes {kernels}; strides {strides}; {channels} channels)" in text
    assert list(DECODER_LAYERS) == ["same", "same"] + 4 * ["up", "same"]
    assert f"a fully connected layer of {HIDDEN} units" in text
    assert f"(slope {LEAK})" in text
    assert f"(weight {L1_WEIGHT})" in text
    assert f"(weight {GAN_WEIGHT})" in text


def test_several_images_are_described():
    text = text_of(configured("studies/ms.yaml"), study="studies/ms.yaml")
    assert "20 synthetic T1-weighted scans of 20 synthetic subjects" in text
    assert ", each with a FLAIR image." in text
    assert "FLAIR images were registered to the T1-weighted scan of the same participant by a rigid" in text
    assert (
        "normalised mutual information [Studholme1999]_ with the T1-weighted scan in the brain between 1.03 and" in text
    )
    assert "one foreground class (lesion). Networks received T1-weighted and FLAIR images as channels;" in text
    assert "FLAIR" not in text_of(configured("studies/phantoms.yaml"), study="studies/phantoms.yaml")


def test_overlaps_of_pre_training_and_test_are_not_denied():
    config, leak = configured(), "source t1-segmentation, target stroke: datasets.cohort.layout names oasis1."
    told = "none of a test set was in the data for pre-training."
    assert f"{told} Known or possible overlaps of pre-training and test data: {leak}" in text_of(
        config, overlaps=[leak]
    )
    assert told in text_of(config)
    assert "overlaps of pre-training" not in text_of(config)
    assert told not in text_of(of_sources(config, "scratch"))
