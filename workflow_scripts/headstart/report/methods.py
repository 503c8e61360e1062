"""Methods of a study as text for a paper, filled from its configuration and tables, with the works that it rests on."""

from collections.abc import Mapping, Sequence

import pandas as pd

from headstart.evaluate.tables import METRICS
from headstart.report import html, sources
from headstart.report.html import listed, plain, section

WORKS = {
    "Zoetmulder2022": "Zoetmulder R, Gavves E, Caan M, Marquering H. Domain- and task-specific transfer learning for "
    "medical "
    "segmentation tasks. Comput Methods Programs Biomed 214 (2022) 106539.",
    "Fonov2011": "Fonov V, et al. Unbiased average age-appropriate atlases for pediatric studies. NeuroImage 54 "
    "(2011) 313-327.",
    "Fisch2024": "Fisch L, et al. deepbet: fast brain extraction of T1-weighted MRI using convolutional neural "
    "networks. "
    "Comput Biol Med 179 (2024) 108845.",
    "Avants2011": "Avants BB, et al. A reproducible evaluation of ANTs similarity metric performance in brain image "
    "registration. NeuroImage 54 (2011) 2033-2044.",
    "Zhang2001": "Zhang Y, Brady M, Smith S. Segmentation of brain MR images through a hidden Markov random field "
    "model and "
    "the expectation-maximization algorithm. IEEE Trans Med Imaging 20 (2001) 45-57.",
    "Wells1996": "Wells WM, et al. Adaptive segmentation of MRI data. IEEE Trans Med Imaging 15 (1996) 429-442.",
    "Yushkevich2016": "Yushkevich PA, et al. Fast automatic segmentation of hippocampal subfields and medial "
    "temporal lobe "
    "subregions in 3 Tesla and 7 Tesla T2-weighted MRI. Alzheimers Dement 12 (2016) P126-P127.",
    "Smith2002": "Smith SM. Fast robust automated brain extraction. Hum Brain Mapp 17 (2002) 143-155.",
    "Patenaude2011": "Patenaude B, et al. A Bayesian model of shape and appearance for subcortical brain segmentation. "
    "NeuroImage 56 (2011) 907-922.",
    "He2016": "He K, Zhang X, Ren S, Sun J. Deep residual learning for image recognition. CVPR (2016) 770-778.",
    "Zamir2018": "Zamir AR, et al. Taskonomy: disentangling task transfer learning. CVPR (2018) 3712-3722.",
    "Deng2009": "Deng J, et al. ImageNet: a large-scale hierarchical image database. CVPR (2009) 248-255.",
    "Badrinarayanan2017": "Badrinarayanan V, Kendall A, Cipolla R. SegNet: a deep convolutional encoder-decoder "
    "architecture "
    "for image segmentation. IEEE Trans Pattern Anal Mach Intell 39 (2017) 2481-2495.",
    "Kingma2015": "Kingma DP, Ba J. Adam: a method for stochastic optimization. ICLR (2015).",
    "Field2007": "Field CA, Welsh AH. Bootstrapping clustered data. J R Stat Soc B 69 (2007) 369-390.",
    "Owen2007": "Owen AB. The pigeonhole bootstrap. Ann Appl Stat 1 (2007) 386-411.",
    "Holm1979": "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 6 (1979) 65-70.",
    "Molder2021": "Moelder F, et al. Sustainable data analysis with Snakemake. F1000Research 10 (2021) 33.",
    "Paszke2019": "Paszke A, et al. PyTorch: an imperative style, high-performance deep learning library. NeurIPS 32 "
    "(2019).",
    "Cardoso2022": "Cardoso MJ, et al. MONAI: an open-source framework for deep learning in healthcare. "
    "arXiv:2211.02701 (2022).",
}  # fmt: skip
_LABELS = {
    "ants": "Three tissues were found by a Gaussian mixture with a hidden Markov random field [Zhang2001]_ and a "
    "bias field "
    "[Wells1996]_; fifteen deep structures were carried over from {atlases} by a deformable registration "
    "[Yushkevich2016]_.",
    "fsl": "The brain was found by BET [Smith2002]_, three tissues by FAST [Zhang2001]_, and fifteen deep structures "
    "by "
    "FIRST [Patenaude2011]_.",
}
_TASKS = {
    "segmentation": "segmentation (cross-entropy a pixel, classes weighted by median-frequency balancing "
    "[Badrinarayanan2017]_)",
    "autoencoding": "auto-encoding (0.996 L1 + 0.004 GAN loss)",
    "classification": "classification (binary cross-entropy, class by class)",
}
_MIXED = "mixed precision (bfloat16)"
_PRECISIONS = {
    "auto": f"{_MIXED} where the machine is quicker in it, else single precision",
    "bfloat16": _MIXED,
    "float32": "single precision",
    "tf32": "single precision, products of a GPU in TF32",
}


def text(
    config: Mapping,
    compared: Sequence[str],
    backends: Sequence[str],
    participants: pd.DataFrame,
    versions: Mapping[str, str],
) -> str:
    """The methods as reStructuredText, with references.

    ``config``: the resolved configuration; ``compared``: the sources that the study has; ``backends``: what labelled
    its T1 scans (``ants``, ``fsl``), if any source needed labels; ``participants``: that table; ``versions``: versions
    of packages by name.
    """
    parts = [
        section("Data", *_data(config, participants)),
        section("Pre-processing", _preprocessing(config)),
        *([section("Labels of the T1 sources", _labels(config, backends))] if backends else []),
        section("Networks", _networks(config)),
        section("Pre-training", _pretraining(config, compared)),
        section("Fine-tuning", *[_target(config, name, target) for name, target in config["targets"].items()],
                _training(config)),
        section("Evaluation", *_evaluation(config)),
        section("Software", _software(versions)),
    ]  # fmt: skip
    body = "\n".join(parts)
    cited = {key: work for key, work in WORKS.items() if f"[{key}]_" in body}
    return f"{body}\n{section('References', html.citations(cited))}"


def _data(config: Mapping, participants: pd.DataFrame) -> list[str]:
    """A sentence a dataset of scans, and one on natural images."""
    said = []
    for row in participants.to_dict("records"):
        entry = config["datasets"][row["dataset"]]
        made = "made-up scans" if entry["layout"] == "phantom" else "T1-weighted scans"
        age = f", aged {row['age_mean']:.0f} years on average" if row["age_known"] else ""
        sexes = f", {row['female']:.0f} of them female" if row["female"] + row["male"] else ""
        people = f"{row['people']:.0f} people{age}{sexes}"
        said.append(f"Dataset *{plain(row['dataset'])}*: {row['scans']:.0f} {made} of {people}.")
    for name in dict.fromkeys(config["pretrain"][key] for key in ("rooms", "objects")):
        if name is not None:
            entry = config["datasets"][name]
            made = "made-up pictures" if entry["layout"] == "scenes" else "natural images"
            said.append(f"Dataset *{plain(name)}*: {entry['pictures']} {made} ({plain(entry['layout'])}).")
    return said


def _preprocessing(config: Mapping) -> str:
    low, high = config["slice"]["percentiles"]
    size, voxel = config["slice"]["size"], config["template"]["voxel_mm"]
    return (
        "Scans were brought to MNI152NLin2009aSym space [Fonov2011]_ by an affine registration of 12 degrees of "
        "freedom (ANTs "
        "[Avants2011]_, mutual information, steered by the brain as found by deepbet [Fisch2024]_) and resampled "
        "once, to "
        f"voxels of {voxel:g} mm. Intensities were clipped at percentiles {low:g} and {high:g} of the head's voxels "
        "and "
        f"scaled to [0, 1]; axial slices were padded with zeros to {size} x {size} pixels."
    )


def _labels(config: Mapping, backends: Sequence[str]) -> str:
    atlases = listed(config["label"]["atlases"])
    said = [_LABELS[name].format(atlases=atlases) for name in backends]
    if learn := config["label"]["learn"]:
        said.append(
            f"{learn['scans']} scans were labelled so; a network that learnt these labels labelled the rest, and was "
            f"compared with them on {learn['held_out']} more."
        )
    return " ".join(said)


def _networks(config: Mapping) -> str:
    network = config["network"]
    depth = network["encoder"].removeprefix("resnet")
    return (
        f"As in [Zoetmulder2022]_, the encoder is a ResNet-{depth} [He2016]_ of one input channel, whose last layers "
        "give way "
        f"to a transposed convolution to {network['latent_channels']} channels, and the decoder has ten layers of 3 "
        "x 3 "
        f"kernels (after [Zamir2018]_; widths {', '.join(map(str, network['decoder_widths']))}, "
        f"normalisation: {network['normalisation']})."
    )


def _pretraining(config: Mapping, compared: Sequence[str]) -> str:
    said = []
    for domain, name in (("equal", "T1 scans"), ("unequal", "natural images")):
        tasks = [s.rpartition("-")[2] for s in sources.in_order(compared) if sources.domain_of(s) == domain]
        if tasks:
            said.append(f"Encoders were pre-trained on {name} by {listed([_TASKS[task] for task in tasks])}.")
    if any(s.endswith("-classification") and not s.startswith("imagenet") for s in compared):
        said.append(f"Behind the classification head stood a {config['pretrain']['activation']}.")
    if "imagenet-classification" in compared:
        said.append("One encoder was trained by others to classify all of ImageNet [Deng2009]_.")
    if "scratch" in compared:
        said.append("The baseline (*scratch*) was not pre-trained.")
    epochs = config["pretrain"]["epochs"]
    shown = f"{epochs}" if isinstance(epochs, int) else f"{epochs['t1']} on scans and {epochs['natural']} on images"
    return " ".join([*said, f"Epochs of pre-training: {shown}."])


def _target(config: Mapping, name: str, target: Mapping) -> str:
    test = target["test"] if isinstance(target["test"], int) else len(target["test"])
    drawn = "drawn anew for each resample" if target["split"] == "redrawn" else "the same throughout"
    sizes = listed(sorted(target["sizes"]))
    return (
        f"Target *{plain(name)}* (dataset *{plain(target['dataset'])}*): "
        f"{listed([plain(c) for c in target['classes']])}. "
        f"Fine-tuned on {sizes} labelled scans, {target['resamples']} random sets of each size, the same for every "
        "source, "
        f"for {target['epochs']} epochs; tested on {test} scans, {drawn}. No person was on both sides."
    )


def _training(config: Mapping) -> str:
    training = config["training"]
    return (
        f"All training used Adam [Kingma2015]_ (learning rate {training['learning_rate']:g}, times "
        f"{training['decay_factor']:g} "
        f"after {100 * training['decay_after']:g} % of the epochs, weight decay {training['weight_decay']:g}, "
        "batches of "
        f"{training['batch_size']} slices, {_PRECISIONS[training['precision']]}). In fine-tuning the encoder came from "
        "the source, "
        "the decoder was random and the same for every source, and all of it was trained, by cross-entropy weighted by "
        "median-frequency balancing [Badrinarayanan2017]_."
    )


def _evaluation(config: Mapping) -> list[str]:
    evaluate, targets = config["evaluate"], config["targets"].values()
    names = listed(sorted({METRICS[target["metric"]] for target in targets}))
    empty = "were left out" if evaluate["empty"] == "skip" else "scored 1"
    said = [
        f"Scores ({names}) were averaged over axial slices, as in [Zoetmulder2022]_, and over volumes; slices "
        "without any label "
        f"or prediction {empty}. Intervals are 95 % intervals of a cluster bootstrap over test scans and resamples "
        f"([Field2007]_; [Owen2007]_; {evaluate['bootstrap']} draws, stretched for few scans and resamples). Sources "
        "were "
        "compared in pairs on the same scans and resamples, with p-values corrected over all pairs [Holm1979]_. "
        "Labelled scans "
        "saved by a source are the set size at which the baseline scores the same, less its own, without extrapolation."
    ]
    if any(target["metric"] == "dice" for target in targets):
        cutoffs = evaluate["lesions"]
        said.append(
            "Lesions are connected components of the manual mask (8-connected in a slice; 26-connected in the "
            "volume). One was "
            f"found if more than {listed([f'{100 * share:g}' for share in cutoffs['overlap']])} % of its voxels were "
            f"segmented; those under {listed([f'{ml:g}' for ml in cutoffs['volume_ml']])} mL were left out."
        )
    return said


def _software(versions: Mapping[str, str]) -> str:
    return (
        f"headstart {versions['headstart']} on Python {versions['python']}, run by Snakemake {versions['snakemake']} "
        f"[Molder2021]_, with PyTorch {versions['torch']} [Paszke2019]_ and MONAI {versions['monai']} [Cardoso2022]_. "
        "Every draw follows from the study's seed."
    )
