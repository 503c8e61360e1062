# A study's scans, training sets and test sets for other programs: `snakemake export`. Not a stage; nothing in the study
# depends on it.

from headstart.export import draws

EXPORTED = f"{RESULTS}/export/{{target}}"


def scans_of(target):
    """The scans of a target's dataset by subject."""
    return SCANS[TARGETS[target]["dataset"]]


def further_of(target):
    """The images of a target beside the first of its scans."""
    return [image for image in IMAGES[target] if image != FIRST[TARGETS[target]["dataset"]]]


def files_to_export(wildcards):
    """A scan's first image, on whose grid all are exported, its labels, and further images with their registration."""
    scan, further = scans_of(wildcards.target)[wildcards.subject], further_of(wildcards.target)
    others = [scan.others[image] for image in further]
    place = {"dataset": scan.dataset, "subject": scan.subject, "first": FIRST[scan.dataset]}
    return {
        "first": scan.first,
        "labels": scan.target,
        "further": others,
        "headers": headers_of(scan.first, *scan.target, *others),
        "transforms": [ALIGNED["transform"].format(**place, image=image) for image in further],
    }


rule export_scan:
    input:
        unpack(files_to_export),
    output:
        directory(f"{EXPORTED}/scans/{{subject}}"),
    log:
        f"{RESULTS}/logs/export_scan/{{target}}/sub-{{subject}}.log",
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(15),
    params:
        code=code_of("export_scan"),
        images=lambda wildcards: IMAGES[wildcards.target],
        first=lambda wildcards: FIRST[TARGETS[wildcards.target]["dataset"]],
        further=lambda wildcards: further_of(wildcards.target),
        classes=lambda wildcards: classes_of(TARGETS[wildcards.target]["dataset"]),
        label_format=lambda wildcards: label_format(scans_of(wildcards.target)[wildcards.subject]),
    script:
        "../workflow_scripts/export_scan.py"


# Behind the gate: a scan that quality control excludes later would change the draws.
rule export_target:
    input:
        scans=lambda wildcards: [
            rules.export_scan.output[0].format(target=wildcards.target, subject=subject)
            for subject in scans_of(wildcards.target)
        ],
        gate=rules.gate_quality.output,
    output:
        draws=directory(f"{EXPORTED}/draws"),
        table=f"{EXPORTED}/draws.tsv",
        scans=f"{EXPORTED}/scans.csv",
        script=f"{EXPORTED}/run_nnunet.sh",
    log:
        f"{RESULTS}/logs/export_target/{{target}}.log",
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(30),
    params:
        code=code_of("export_target"),
        target=lambda wildcards: {
            "name": wildcards.target,
            "images": IMAGES[wildcards.target],
            "classes": class_names(wildcards.target),
        },
        persons=lambda wildcards: {subject: scan.person for subject, scan in scans_of(wildcards.target).items()},
        draws=lambda wildcards: [
            (size, resample, list(split.train), list(split.test))
            for (name, size, resample), split in SPLITS.items()
            if name == wildcards.target and size
        ],
    script:
        "../workflow_scripts/export_target.py"


def exported(wildcards):
    """The exports of all targets; an error ends the run in one sentence."""
    try:
        for name, target in TARGETS.items():
            draws.check_classes(name, target["classes"])
    except job.UserError as error:
        # Snakemake would add a traceback to the error of an input function.
        sys.exit(f"headstart: export: {error}")
    return expand(rules.export_target.output, target=TARGETS)


rule export:
    input:
        exported,
