# Shared by all rules: the study's configuration, its scans and splits, and the names of its files.

import gc
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Planning creates millions of small objects that live to its end; searching them again and again for garbage would take
# an eighth of its time.
gc.set_threshold(50_000, 20, 100)

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from headstart import consistency, image_pairs, job, leaks, seeds, settings, sources, without_labels
from headstart.datasets import folds, layouts, natural, participants, splits, synthetic
from headstart.datasets.scan import T1W, image_names, image_word
from headstart.external import find
from headstart.label import fsl, labels
from headstart.phantom import recipe
from headstart.provenance import clock, fingerprint, record
from headstart.slices import channels, cut
from headstart.template import template

# Each job reads the rules again; what there is to say about the data is said once.
if not workflow.is_main_process:
    job.logger.setLevel("ERROR")

try:
    config = settings.resolve(
        Path(workflow.basedir) / "config.yaml",
        Path(workflow.basedir) / "rules/schemas/config.schema.yaml",
        config,
    )
    RESULTS = f"{config['results']}/{config['study']}"
    DATA = settings.data_folder(config)
    # Scans that are left out, each with the image that it lacks.
    DROPPED = []
    SCANS = {
        name: {
            scan.subject: scan
            for scan in layouts.scans(
                name, entry, f"{RESULTS}/datasets", DATA, drop=lambda scan, image: DROPPED.append((scan, image))
            )
        }
        for name, entry in config["datasets"].items()
        if synthetic.has_scans(entry)
    }
    NATURAL = {
        name: layouts.natural_folder(name, entry, DATA)
        for name, entry in config["datasets"].items()
        if natural.is_natural(entry)
    }
    DRAWN_HEADS = {
        name: layouts.heads(name, entry)
        for name, entry in config["datasets"].items()
        if synthetic.has_label_maps_alone(entry)
    }
    # Targets with one dataset differ in what their models see: their sets and seeds are those of the first.
    DRAWN_AS = {
        name: next(other for other, each in config["targets"].items() if each["dataset"] == target["dataset"])
        for name, target in config["targets"].items()
    }
    SPLITS = {
        (name, size, resample): splits.draw(
            name,
            list(SCANS[target["dataset"]].values()),
            target.get("test"),
            size,
            resample,
            config["seed"],
            split=target["split"],
            folds=target.get("folds"),
            drawn_as=DRAWN_AS[name],
        )
        for name, target in config["targets"].items()
        for size in target["sizes"]
        for resample in range(1, without_labels.resamples(target, size) + 1)
    }
    # Scans of people in a test set, which no source is trained on, by dataset.
    LEFT_OUT = splits.left_out(config, SCANS, SPLITS)
    splits.check_usable(config, SCANS, SPLITS, LEFT_OUT)
    # Number of scans that the training sets of each target are drawn from.
    POOLS = {
        name: splits.pool_size(
            list(SCANS[target["dataset"]].values()), SPLITS[name, target["sizes"][0], 1], target["split"]
        )
        for name, target in config["targets"].items()
    }
    splits.check_population(config, POOLS)
    TUNING = {
        name: splits.draw_tuning(
            name,
            list(SCANS[target["dataset"]].values()),
            [split for (owner, _, _), split in SPLITS.items() if owner == name],
            [size for size in target["sizes"] if size],
            config["finetune"]["draws"],
            config["seed"],
            drawn_as=DRAWN_AS[name],
        )
        for name, target in config["targets"].items()
        if len(config["finetune"]["learning_rates"]) > 1
    }
    SOURCES = sources.of_study(config)
    # Masks that were made elsewhere, by target and competitor; and whether each competitor was trained on these sets.
    EXTERNAL, EXTERNAL_TRAINED = find.of_study(config, {draw: split.test for draw, split in SPLITS.items()}, DATA)
    # The sources that are models of a target as they are pre-trained: its set size 0.
    AS_PRETRAINED = {
        name: without_labels.usable(config, name) for name, target in config["targets"].items() if 0 in target["sizes"]
    }
    WEIGHTS = {
        name: settings.weights_file(name, source.weights["file"], DATA)
        for name, source in SOURCES.items()
        if source.weights is not None
    }
    # The back end of each dataset, chosen where the study is planned: other machines of a cluster may have other tools.
    BACKENDS = {
        name: labels.choose_backend(entry.get("backend", config["label"]["backend"]), fsl.is_installed())
        for name, entry in config["datasets"].items()
    }
    if "/" in config["network"]["encoder"]:
        from headstart.networks import backbones

        backbones.channels_of(config["network"]["encoder"])
    # What pre-training and test data have, or may have, in common.
    OVERLAPS = leaks.find(config, SOURCES, BACKENDS)
    for warning in leaks.warnings(OVERLAPS):
        job.logger.warning(warning)
except job.UserError as error:
    raise WorkflowError(str(error)) from None

TARGETS = config["targets"]
# Scans of whose manual labels sources have label maps, by the dataset of these maps.
MAPPED = {
    source.dataset: [subject for subject in SCANS[source.scans] if subject not in LEFT_OUT.get(source.scans, ())]
    for source in SOURCES.values()
    if source.label_maps and source.scans
}
# Synthetic heads, drawn or of scans, by dataset.
HEADS = DRAWN_HEADS | MAPPED
# The images of each scan that the models of a target see, in the order of their channels.
IMAGES = {
    name: target.get("images") or image_names(config["datasets"][target["dataset"]]) for name, target in TARGETS.items()
}
# The first image of the scans of each dataset, on whose grid their labels lie; the others are registered to it.
FIRST = {name: image_names(config["datasets"][name])[0] for name in SCANS}
# Rules whose files are named after the first image exist once for each; those of a T1 have the plain name.
FIRST_IMAGES = dict.fromkeys([T1W, *FIRST.values()])
# The further images of each dataset that models of targets see, if there are any.
FURTHER = {}
for name, images in IMAGES.items():
    dataset = TARGETS[name]["dataset"]
    if further := [image for image in images if image != FIRST[dataset]]:
        FURTHER[dataset] = list(dict.fromkeys([*FURTHER.get(dataset, []), *further]))
ALL_FURTHER = sorted(set().union(*FURTHER.values()))
# What slices are made of, by dataset: the subjects of scans, and synthetic heads.
SUBJECTS = {name: list(scans) for name, scans in SCANS.items()} | HEADS
# Classes of each dataset whose manual labels a target or a source uses: name to label values.
CLASSES = sources.manual_classes(config)
LABELLED = list(CLASSES)
# The datasets of scans that sources are trained on, or on whose labels, and those of them for which labels are made.
PRETRAINED = list(dict.fromkeys(source.scans for source in SOURCES.values() if source.scans))
LABELS_MADE = list(dict.fromkeys(source.dataset for source in SOURCES.values() if source.uses_made_labels))
# What figures and tables show of each source, see headstart.report.sources.
SHOWN = {name: {"domain": source.domain, "task": source.task} for name, source in SOURCES.items()}
# The same with competitors from elsewhere.
COMPARED = SHOWN | {
    name: {"domain": "external", "task": "trained-elsewhere" if trained else "untrained"}
    for name, trained in EXTERNAL_TRAINED.items()
}
# Scans in each numbered part: of the jobs that check, compare and draw scans, and of the files of slices.
SCANS_PER_PART = {"check": config["check"]["scans_per_job"], "slice": config["slice"]["scans_per_file"]}
PHANTOMS = [name for name, entry in config["datasets"].items() if entry["layout"] == "phantom"]

TEMPLATE = expand(f"{RESULTS}/template/{{file}}", file=template.FILES.values())
# All files of the template are made together. Jobs name only one, since each named file costs time in planning.
A_TEMPLATE = TEMPLATE[0]
DERIVED = f"{RESULTS}/derivatives/{{dataset}}/sub-{{subject}}/anat/sub-{{subject}}"
IN_SPACE = f"{DERIVED}_space-{template.SPACE}"
# The name of the first image of a dataset's scans is filled in by the functions of paths.smk.
TRANSFORM = f"{DERIVED}_from-{{first}}_to-{template.SPACE}_mode-image_xfm.mat"
PART = f"{RESULTS}/slices/{{dataset}}/part-{{part}}"
PART_INDEX = f"{PART}_scans.tsv"
SPLIT = f"{RESULTS}/splits/{{target}}/size-{{size}}_resample-{{resample}}.tsv"
GROUP = "{target}/{source}/size-{size}"
RUN = f"{GROUP}_resample-{{resample}}"
PREDICTIONS = f"{RESULTS}/evaluate/{RUN}/predictions.npz"


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    subject="[A-Za-z0-9]+",
    part=r"\d+",
    # Of the images of a scan, all but its first.
    image="|".join(ALL_FURTHER) or "(?!)",
    source="|".join([*SOURCES, *EXTERNAL_TRAINED]),
    target="|".join(TARGETS),
    size=r"\d+",
    resample=r"\d+",
    # Of a source that is pre-trained several times, all but the first.
    repeat=r"(|/repeat-\d+)",


onstart:
    try:
        # The results of a prediction may belong to another study.
        job.check_writable(PREDICT_HOME)
        clock.set_back(RESULTS)
        every = (scan for scans in SCANS.values() for scan in scans.values())
        clock.check(path for scan in every for path in (*scan.files, *headers_of(*scan.files)))
    except job.UserError as error:
        sys.exit(f"headstart: {error}")


def named_after(first, rule):
    """The name of a rule for scans with this first image."""
    return rule if first == T1W else f"{rule}_{first}"


def datasets_beginning_with(first, names):
    """Regular expression of the datasets, of those named, whose scans have this first image."""
    return "|".join(name for name in names if FIRST[name] == first) or "(?!)"


def code_of(script):
    """Fingerprint of the code that a script runs; as a rule's parameter, it reruns the rule when the code changes."""
    return fingerprint.of_script(SCRIPTS / f"{script}.py")


def scan_of(wildcards):
    """The scan that the wildcards dataset and subject name."""
    return SCANS[wildcards.dataset][wildcards.subject]


def headers_of(*paths):
    """Headers in files of their own beside these images; where one is missing, the job that reads the image says so."""
    return [header for header in map(image_pairs.header_beside, paths) if header and os.path.exists(header)]


def scans_for_training(*names):
    """The scans of these datasets that a source may be trained on."""
    return [scan for name in names for scan in SCANS[name].values() if scan.subject not in LEFT_OUT.get(name, ())]


def classes_of(dataset):
    """The classes of a dataset's manual labels: name to label values, in order; class k has the value k."""
    return {name: consistency.label_values(listed) for name, listed in CLASSES[dataset].items()}


def class_names(target):
    """Names of a target's classes in the order of their values: the background, 0, comes first."""
    return ["background", *TARGETS[target]["classes"]]


def label_format(scan):
    """How a scan's manual labels are read, see headstart.datasets.intake.LabelFormat."""
    return {"masks": scan.masks, "mask_above": config["datasets"][scan.dataset].get("mask_above")}


def label_format_of(wildcards):
    """How the manual labels of the scan that the wildcards name are read."""
    return label_format(scan_of(wildcards))


def is_cross_validated(target):
    """Whether all scans of a target are both trained on and tested, in turn."""
    return TARGETS[target]["split"] == folds.CROSS_VALIDATION


def role_of(dataset, subject):
    """A text that says what the study uses a scan for."""
    targeted = [name for name, target in TARGETS.items() if target["dataset"] == dataset]
    testing = {target for (target, _, _), split in SPLITS.items() if target in targeted and subject in split.test}
    pretrains = dataset in PRETRAINED and subject not in LEFT_OUT.get(dataset, ())
    tests = bool(testing)
    trains = any(name not in testing or is_cross_validated(name) for name in targeted)
    uses = {"pre-trains": pretrains, "tests": tests, "trains": trains}
    return f"datasets.{dataset}: {subject}, which {' and '.join(use for use, so in uses.items() if so) or 'is unused'}"


def per_attempt(base):
    """A resource that grows with each attempt of a job; small jobs have plain numbers, which are planned faster."""
    return lambda wildcards, attempt: base * attempt
