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

from headstart import consistency, job, seeds, settings
from headstart.datasets import layouts, natural, participants, splits
from headstart.label import fsl, labels
from headstart.phantom import recipe
from headstart.provenance import clock, fingerprint, record
from headstart.slices import cut
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
    SCANS = {
        name: {scan.subject: scan for scan in layouts.scans(name, entry, f"{RESULTS}/datasets", DATA)}
        for name, entry in config["datasets"].items()
        if not natural.is_natural(entry)
    }
    NATURAL = {
        name: layouts.natural_folder(name, entry, DATA)
        for name, entry in config["datasets"].items()
        if natural.is_natural(entry)
    }
    SPLITS = {
        (name, size, resample): splits.draw(
            name,
            list(SCANS[target["dataset"]].values()),
            target["test"],
            size,
            resample,
            config["seed"],
            split=target["split"],
        )
        for name, target in config["targets"].items()
        for size in target["sizes"]
        for resample in range(1, target["resamples"] + 1)
    }
    splits.check_usable(config, SCANS, SPLITS)
    TUNING = {
        name: splits.draw_tuning(
            name,
            list(SCANS[target["dataset"]].values()),
            [split for (owner, _, _), split in SPLITS.items() if owner == name],
            target["sizes"],
            config["finetune"]["draws"],
            config["seed"],
        )
        for name, target in config["targets"].items()
        if len(config["finetune"]["learning_rates"]) > 1
    }
    WEIGHTS = settings.weights_file(config["pretrain"]["weights"]["file"], DATA)
except job.UserError as error:
    raise WorkflowError(str(error)) from None

TARGETS = config["targets"]
LEFT_OUT = settings.left_out(config["pretrain"])
SOURCES = [source for source in config["pretrain"]["sources"] if source not in LEFT_OUT]
T1_SOURCE = config["pretrain"]["dataset"]
LABELLED = list(dict.fromkeys(target["dataset"] for target in TARGETS.values()))
# Scans in each numbered part: of the jobs that check, compare and draw scans, and of the files of slices.
SCANS_PER_PART = {"check": config["check"]["scans_per_job"], "slice": config["slice"]["scans_per_file"]}
PHANTOMS = [name for name, entry in config["datasets"].items() if entry["layout"] == "phantom"]

TEMPLATE = expand(f"{RESULTS}/template/{{file}}", file=template.FILES.values())
# All files of the template are made together. Jobs name only one, since each named file costs time in planning.
A_TEMPLATE = TEMPLATE[0]
DERIVED = f"{RESULTS}/derivatives/{{dataset}}/sub-{{subject}}/anat/sub-{{subject}}"
IN_SPACE = f"{DERIVED}_space-{template.SPACE}"
TRANSFORM = f"{DERIVED}_from-T1w_to-{template.SPACE}_mode-image_xfm.mat"
PART = f"{RESULTS}/slices/{{dataset}}/part-{{part}}"
PART_INDEX = f"{PART}_scans.tsv"
SPLIT = f"{RESULTS}/splits/{{target}}/size-{{size}}_resample-{{resample}}.tsv"
GROUP = "{target}/{source}/size-{size}"
RUN = f"{GROUP}_resample-{{resample}}"


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    subject="[A-Za-z0-9]+",
    part=r"\d+",
    source="|".join(SOURCES),
    target="|".join(TARGETS),
    size=r"\d+",
    resample=r"\d+",


onstart:
    try:
        # The results of a prediction may belong to another study.
        job.check_writable(PREDICT_HOME)
        clock.set_back(RESULTS)
        clock.check(
            path for scans in SCANS.values() for scan in scans.values() for path in (scan.t1w, *scan.target)
        )
    except job.UserError as error:
        sys.exit(f"headstart: {error}")


def code_of(script):
    """Fingerprint of the code that a script runs; as a rule's parameter, it reruns the rule when the code changes."""
    return fingerprint.of_script(SCRIPTS / f"{script}.py")


def scan_of(wildcards):
    """The scan that the wildcards dataset and subject name."""
    return SCANS[wildcards.dataset][wildcards.subject]


def classes_of(dataset):
    """The classes of the target that uses a dataset: name to label values, in order; class k has the value k."""
    target = next(target for target in TARGETS.values() if target["dataset"] == dataset)
    return {name: consistency.label_values(listed) for name, listed in target["classes"].items()}


def class_names(target):
    """Names of a target's classes in the order of their values: the background, 0, comes first."""
    return ["background", *TARGETS[target]["classes"]]


def label_format(scan):
    """How a scan's manual labels are read, see headstart.datasets.intake.LabelFormat."""
    return {"masks": scan.masks, "mask_above": config["datasets"][scan.dataset].get("mask_above")}


def label_format_of(wildcards):
    """How the manual labels of the scan that the wildcards name are read."""
    return label_format(scan_of(wildcards))


def role_of(dataset, subject):
    """A text that says what the study uses a scan for."""
    tests = any(
        subject in split.test for (target, _, _), split in SPLITS.items() if TARGETS[target]["dataset"] == dataset
    )
    uses = {"pre-trains": dataset == T1_SOURCE, "tests": tests, "trains": dataset in LABELLED and not tests}
    return f"datasets.{dataset}: {subject}, which {' and '.join(use for use, so in uses.items() if so) or 'is unused'}"


def scan_paths(pattern, *names):
    """A pattern with dataset and subject filled in for every scan of the datasets named."""
    return [pattern.format(dataset=name, subject=subject) for name in names for subject in SCANS[name]]


def numbered_parts(pattern, dataset, count, each):
    """A pattern with dataset and part filled in for every part of ``count`` things with ``each`` in a part."""
    return [pattern.format(dataset=dataset, part=f"{number:04d}") for number in range(-(-count // each))]


def part_range(count, each, part):
    """Number of the first thing of a part, and of the one after its last."""
    first = int(part) * each
    return [first, min(first + each, count)]


def scans_of_part(wildcards, stage):
    """The scans of a part of a stage, see SCANS_PER_PART."""
    scans = list(SCANS[wildcards.dataset].values())
    return scans[slice(*part_range(len(scans), SCANS_PER_PART[stage], wildcards.part))]


def paths_of_part(pattern, stage):
    """Input function: a pattern filled in for each scan of a part."""
    return lambda wildcards: [
        str(pattern).format(dataset=scan.dataset, subject=scan.subject) for scan in scans_of_part(wildcards, stage)
    ]


def part_paths(pattern, stage, *names):
    """A pattern with dataset and part filled in for every part of the scans of the datasets named."""
    return [path for name in names for path in numbered_parts(pattern, name, len(SCANS[name]), SCANS_PER_PART[stage])]


def parts_holding(pattern, target, subjects):
    """A pattern with dataset and part filled in for the files with the slices of these scans of a target."""
    dataset = TARGETS[target]["dataset"]
    files = part_paths(pattern, "slice", dataset)
    places = {files[number // SCANS_PER_PART["slice"]] for number, s in enumerate(SCANS[dataset]) if s in subjects}
    return sorted(places)


def scan_pictures(kind):
    """The folder with a picture of each scan of a part; ``kind`` is also the name of the caption."""
    return report(
        directory(f"{RESULTS}/figures/{kind}/{{dataset}}/part-{{part}}"),
        patterns=["sub-{subject}.png"],
        caption=f"../rules/report/{kind}.rst",
        category="3 Quality control",
        subcategory=f"{kind}: {{dataset}}",
        labels={"scan": "{subject}"},
    )


def report_figure(name, caption, category, subcategory=None, **labels):
    """A figure as PNG, which the report includes, and as SVG."""
    png = f"{RESULTS}/figures/{name}.png"
    shown = report(
        png, caption=f"../rules/report/{caption}.rst", category=category, subcategory=subcategory, labels=labels
    )
    return [shown, f"{RESULTS}/figures/{name}.svg"]


def image_part_paths(pattern, *names):
    """A pattern with dataset and part filled in for every file of the natural images of the datasets named."""
    each = config["slice"]["images_per_file"]
    counts = {name: config["datasets"][name]["pictures"] for name in names}
    return [path for name, count in counts.items() for path in numbered_parts(pattern, name, count, each)]


def runs(targets=TARGETS):
    """Target, source, size and resample of every fine-tuning on these targets."""
    return [
        (target, source, size, resample) for target, size, resample in SPLITS if target in targets for source in SOURCES
    ]


def run_paths(pattern, targets=TARGETS):
    """A pattern with target, source, size and resample filled in for every fine-tuning on these targets."""
    return [
        pattern.format(target=target, source=source, size=size, resample=resample)
        for target, source, size, resample in runs(targets)
    ]


def tests_of(targets):
    """The test scans of each draw of these targets, by the name of the draw."""
    return {
        f"{name}/size-{size}_resample-{resample}": list(split.test)
        for (name, size, resample), split in SPLITS.items()
        if name in targets
    }


def split_of(wildcards):
    """Training and test scans of the draw that the wildcards name."""
    return SPLITS[wildcards.target, int(wildcards.size), int(wildcards.resample)]


def resamples_of(target):
    """Numbers of a target's resamples."""
    return range(1, TARGETS[target]["resamples"] + 1)


def subjects_drawn(wildcards, role):
    """The training or test scans of each resample of the target and size that the wildcards name."""
    draws = (SPLITS[wildcards.target, int(wildcards.size), number] for number in resamples_of(wildcards.target))
    return [list(getattr(split, role)) for split in draws]


def drawn_slices(pattern, role):
    """Input function: the files with the slices of the training or test scans of any of these resamples."""
    return lambda wildcards: parts_holding(pattern, wildcards.target, set().union(*subjects_drawn(wildcards, role)))


# Keys of the section training that do not change the result of a training.
RUN_KEYS = ("threads", "runs_per_gpu", "checkpoint_minutes", "resident_gb")
# Folder of the states of running trainings, see headstart.training.checkpoint.
STATE = f"{RESULTS}/states"


def training_of(epochs=None, steps=None):
    """Settings of a training of this length, see headstart.training.settings.TrainingSettings."""
    settings = {key: value for key, value in config["training"].items() if key not in RUN_KEYS}
    return settings | {"epochs": epochs, "steps": steps, "encoder_factor": 1}


def expected_input():
    """The input for which weights must have been made to be used in this study."""
    return {
        "template": template.SPACE,
        "voxel_mm": config["template"]["voxel_mm"],
        "size": [config["slice"]["size"]] * 2,
        "percentiles": config["register"]["percentiles"],
    }


def per_attempt(base):
    """A resource that grows with each attempt of a job; small jobs have plain numbers, which are planned faster."""
    return lambda wildcards, attempt: base * attempt
