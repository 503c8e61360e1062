# Stage 2, register: each scan, and its manual labels, in template space; and quality control.


def synthetic_participants(wildcards):
    """The table of a dataset's synthetic subjects, whose age and sex are drawn by a job; other datasets need none."""
    if wildcards.dataset not in PHANTOMS:
        return {}
    return {"participants": rules.describe_subjects.output.participants.format(**wildcards)}


rule describe_derivatives:
    input:
        unpack(synthetic_participants),
    output:
        description=f"{RESULTS}/derivatives/{{dataset}}/dataset_description.json",
        participants=f"{RESULTS}/derivatives/{{dataset}}/participants.tsv",
        ignore=f"{RESULTS}/derivatives/{{dataset}}/.bidsignore",
    log:
        f"{RESULTS}/logs/describe_derivatives/{{dataset}}.log",
    localrule: True
    params:
        code=code_of("describe_derivatives"),
        rows=lambda wildcards: [participants.row(scan) for scan in SCANS[wildcards.dataset].values()],
        first=lambda wildcards: FIRST[wildcards.dataset],
    script:
        "../workflow_scripts/describe_derivatives.py"


def lesions_of(wildcards):
    """The labels that the registration of a scan leaves out, if its dataset has mask_lesions."""
    return scan_of(wildcards).target if config["datasets"][wildcards.dataset]["mask_lesions"] else []


# What decides how scans are registered: the number of threads does not.
REGISTER = {key: value for key, value in config["register"].items() if key != "threads"}
# What is made of a scan's first image.
REGISTERED = {
    "image": f"{IN_SPACE}_desc-preproc_{{first}}.nii.gz",
    "sidecar": f"{IN_SPACE}_desc-preproc_{{first}}.json",
    "brain": f"{IN_SPACE}_desc-brain_mask.nii.gz",
    "transform": TRANSFORM,
    "quality": f"{DERIVED}_desc-qc_{{first}}.json",
}

for first in FIRST_IMAGES:

    rule:
        name:
            named_after(first, "register_scan")
        input:
            first=lambda wildcards: scan_of(wildcards).first,
            lesions=lesions_of,
            headers=lambda wildcards: headers_of(scan_of(wildcards).first, *lesions_of(wildcards)),
            template=A_TEMPLATE,
        output:
            **{key: pattern.replace("{first}", first) for key, pattern in REGISTERED.items()},
        log:
            f"{RESULTS}/logs/register_scan/{{dataset}}/sub-{{subject}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/register_scan/{{dataset}}/sub-{{subject}}.tsv"
        wildcard_constraints:
            dataset=datasets_beginning_with(first, SCANS),
        # Before labels and trainings: a failed registration stops the study.
        priority: 1
        threads: config["register"]["threads"]
        resources:
            mem_mb=per_attempt(6000),
            runtime=per_attempt(15),
        params:
            code=code_of("register_scan"),
            voxel_mm=config["template"]["voxel_mm"],
            label_format=label_format_of,
            settings=REGISTER,
        script:
            "../workflow_scripts/register_scan.py"


# Further images of scans, such as FLAIR: dataset, subject and name of each.
FURTHER_IMAGES = [
    (name, subject, image) for name, images in FURTHER.items() for subject in SCANS[name] for image in images
]


# What is made of each.
ALIGNED = {
    "image": f"{IN_SPACE}_desc-preproc_{{image}}.nii.gz",
    "sidecar": f"{IN_SPACE}_desc-preproc_{{image}}.json",
    "transform": f"{DERIVED}_from-{{first}}_to-{{image}}_mode-image_xfm.mat",
    "quality": f"{RESULTS}/quality/{{dataset}}/sub-{{subject}}_{{image}}.json",
}


def further_paths(pattern, images=FURTHER_IMAGES):
    """A pattern with dataset, subject and image filled in for each of these further images."""
    return [pattern.format(dataset=name, subject=subject, image=image) for name, subject, image in images]


def further_of_part(wildcards):
    """The further images of the scans of a part."""
    images, subjects = FURTHER.get(wildcards.dataset, ()), subjects_of_part(wildcards, "check")
    return [(wildcards.dataset, subject, image) for subject in subjects for image in images]


for first in FIRST_IMAGES:

    rule:
        name:
            named_after(first, "register_image")
        input:
            image=lambda wildcards: scan_of(wildcards).others[wildcards.image],
            first=lambda wildcards: scan_of(wildcards).first,
            headers=lambda wildcards: headers_of(scan_of(wildcards).first, scan_of(wildcards).others[wildcards.image]),
            transform=path_of_scan(TRANSFORM),
            brain=REGISTERED["brain"],
            template=A_TEMPLATE,
        output:
            **{key: pattern.replace("{first}", first) for key, pattern in ALIGNED.items()},
        log:
            f"{RESULTS}/logs/register_image/{{dataset}}/sub-{{subject}}_{{image}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/register_image/{{dataset}}/sub-{{subject}}_{{image}}.tsv"
        wildcard_constraints:
            dataset=datasets_beginning_with(first, FURTHER),
            image="|".join(image for image in ALL_FURTHER if image != first) or "(?!)",
        priority: 1
        threads: config["register"]["threads"]
        resources:
            mem_mb=per_attempt(3000),
            runtime=per_attempt(15),
        params:
            code=code_of("register_image"),
            settings=REGISTER,
        script:
            "../workflow_scripts/register_image.py"


def drawn_with_the_first(wildcards):
    """The further images of the scans of a part and the brains whose outlines are drawn on them, if there are any."""
    images = further_of_part(wildcards)
    if not images:
        return {}
    return {
        "images": further_paths(ALIGNED["image"], images),
        "brains": further_paths(REGISTERED["brain"], images),
    }


rule draw_registrations:
    input:
        unpack(drawn_with_the_first),
        first=paths_of_part(REGISTERED["image"], "check"),
        template=A_TEMPLATE,
    output:
        pictures=scan_pictures("registration"),
    log:
        f"{RESULTS}/logs/draw_registrations/{{dataset}}/part-{{part}}.log",
    # Before the gate, so that the picture of a failed registration exists when the study stops.
    priority: 2
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        code=code_of("draw_registrations"),
        voxel_mm=config["template"]["voxel_mm"],
        subjects=lambda wildcards: [scan.subject for scan in scans_of_part(wildcards, "check")],
    script:
        "../workflow_scripts/draw_registrations.py"


rule resample_target:
    input:
        labels=lambda wildcards: scan_of(wildcards).target,
        first=lambda wildcards: scan_of(wildcards).first,
        headers=lambda wildcards: headers_of(*scan_of(wildcards).target),
        transform=path_of_scan(TRANSFORM),
    output:
        labels=f"{IN_SPACE}_desc-target_dseg.nii.gz",
        losses=f"{IN_SPACE}_desc-target_dseg.json",
    log:
        f"{RESULTS}/logs/resample_target/{{dataset}}/sub-{{subject}}.log",
    priority: 1
    resources:
        mem_mb=per_attempt(3000),
        runtime=per_attempt(10),
    params:
        code=code_of("resample_target"),
        voxel_mm=config["template"]["voxel_mm"],
        classes=lambda wildcards: classes_of(wildcards.dataset),
        label_format=label_format_of,
    script:
        "../workflow_scripts/resample_target.py"


rule tabulate_quality:
    input:
        registered=scan_paths(REGISTERED["quality"], *SCANS),
        checked=CHECKED,
        losses=scan_paths(rules.resample_target.output.losses, *LABELLED),
    output:
        table=report(
            f"{RESULTS}/tables/quality.tsv",
            caption="../rules/report/quality.rst",
            category="3 Quality control",
            labels={"table": "scans and their registration"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_quality.log",
    priority: 1
    params:
        code=code_of("tabulate_quality"),
        scans=[(name, subject) for name in SCANS for subject in SCANS[name]],
        labelled=[(name, subject) for name in LABELLED for subject in SCANS[name]],
        stop=config["quality"]["stop"],
        outlier=config["quality"]["outlier"],
        first_images={name: first for name, first in FIRST.items() if first != T1W},
    script:
        "../workflow_scripts/tabulate_quality.py"


rule tabulate_images:
    input:
        registered=further_paths(ALIGNED["quality"]),
        checked=part_paths(rules.check_scans.output[0], "check", *FURTHER),
    output:
        table=report(
            f"{RESULTS}/tables/images_aligned.tsv",
            caption="../rules/report/images_aligned.rst",
            category="3 Quality control",
            labels={"table": "further images and their registration"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_images.log",
    priority: 1
    params:
        code=code_of("tabulate_images"),
        images=FURTHER_IMAGES,
        stop=config["quality"]["stop_images"],
    script:
        "../workflow_scripts/tabulate_images.py"


# Stops the study if a registration failed. Only the study's final results depend on it: or else Snakemake would make
# the files of all scans again whenever one of them is excluded. Its priority still puts it before the trainings.
rule gate_quality:
    input:
        quality=rules.tabulate_quality.output.table,
        images=rules.compare_scans.output[0],
        aligned=rules.tabulate_images.output.table if FURTHER_IMAGES else [],
    output:
        f"{RESULTS}/quality/passed.txt",
    log:
        f"{RESULTS}/logs/gate_quality.log",
    priority: 1
    localrule: True
    params:
        code=code_of("gate_quality"),
    script:
        "../workflow_scripts/gate_quality.py"


rule register:
    input:
        TEMPLATE,
        scan_paths(REGISTERED["image"], *SCANS),
        further_paths(ALIGNED["image"]),
        scan_paths(rules.resample_target.output.labels, *LABELLED),
        part_paths(rules.draw_registrations.output.pictures, "check", *SCANS),
        expand(rules.describe_derivatives.output, dataset=SCANS),
        rules.gate_quality.output,
