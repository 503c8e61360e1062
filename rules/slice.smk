# Stage 4, slice: axial slices in memory-mapped arrays of several scans: images, and the labels that sources and targets
# need, each kind by a rule of its own.

SLICES = {
    "image": image_slices("{first}"),
    "tissue": f"{PART}_desc-tissue_dseg.npy",
    "presence": f"{PART}_desc-presence.npy",
    "target": f"{PART}_desc-target_dseg.npy",
}
# Label maps of synthetic heads, of which images are made in training.
HEAD_MAPS = f"{PART}_desc-structures_dseg.npy"
PICTURES = {
    "image": f"{PART}_image.npy",
    "labels": f"{PART}_dseg.npy",
    "presence": SLICES["presence"],
}


# The datasets of scans that a source or a target uses.
SLICED = list(dict.fromkeys([*PRETRAINED, *LABELLED]))


def datasets_with_layout(*layouts):
    """The datasets of natural images with one of these layouts."""
    return [name for name in NATURAL if config["datasets"][name]["layout"] in layouts]


def picture_range(wildcards):
    """Numbers of the first image of a file and of the one after the last."""
    count = config["datasets"][wildcards.dataset]["pictures"]
    return part_range(count, config["slice"]["images_per_file"], wildcards.part)


def before_further_images():
    """Regular expression of datasets, each before the slices of its further images: another's may be its first."""
    before = (rf"{name}(?=/part-\d+_(?:{'|'.join(images)})\.npy)" for name, images in FURTHER.items() if name in SLICED)
    return "|".join(before) or "(?!)"


# Several scans per job, since slicing one takes less time than the start of a job.
for first in FIRST_IMAGES:

    rule:
        name:
            named_after(first, "slice_images")
        input:
            image=paths_of_part(REGISTERED["image"], "slice"),
        output:
            image=SLICES["image"].replace("{first}", first),
            index=PART_INDEX,
        log:
            f"{RESULTS}/logs/slice_images/{{dataset}}/part-{{part}}.log",
        wildcard_constraints:
            dataset=datasets_beginning_with(first, SLICED),
        resources:
            mem_mb=per_attempt(4000),
            runtime=per_attempt(30),
        params:
            code=code_of("slice_scans"),
            size=config["slice"]["size"],
            discard_mm=lambda wildcards: config["datasets"][wildcards.dataset]["discard_mm"],
            presence_voxels=config["slice"]["presence_voxels"],
            subjects=lambda wildcards: subjects_of_part(wildcards, "slice"),
        script:
            "../workflow_scripts/slice_scans.py"


use rule slice_images as slice_further_images with:
    input:
        image=paths_of_part(ALIGNED["image"], "slice"),
    output:
        image=image_slices("{image}"),
    log:
        f"{RESULTS}/logs/slice_images/{{dataset}}/part-{{part}}_{{image}}.log",
    wildcard_constraints:
        dataset=before_further_images(),


use rule slice_images as slice_tissues with:
    input:
        labels=paths_of_part(LABELS["tissue"], "slice"),
        brain=paths_of_part(LABELS["brain"], "slice"),
        structures=paths_of_part(LABELS["structures"], "slice"),
    output:
        labels=SLICES["tissue"],
        presence=SLICES["presence"],
    log:
        f"{RESULTS}/logs/slice_tissues/{{dataset}}/part-{{part}}.log",
    wildcard_constraints:
        dataset="|".join(LABELS_MADE) or "(?!)",


use rule slice_images as slice_target with:
    input:
        labels=paths_of_part(rules.resample_target.output.labels, "slice"),
    output:
        labels=SLICES["target"],
    log:
        f"{RESULTS}/logs/slice_target/{{dataset}}/part-{{part}}.log",
    wildcard_constraints:
        dataset="|".join(LABELLED),


rule slice_rooms:
    input:
        rules.list_pictures.output,
    output:
        image=PICTURES["image"],
        labels=PICTURES["labels"],
    log:
        f"{RESULTS}/logs/slice_rooms/{{dataset}}/part-{{part}}.log",
    wildcard_constraints:
        dataset="|".join(datasets_with_layout("taskonomy")) or "(?!)",
    resources:
        mem_mb=per_attempt(3000),
        runtime=per_attempt(60),
    params:
        code=code_of("slice_pictures"),
        size=config["slice"]["size"],
        rows=picture_range,
    script:
        "../workflow_scripts/slice_pictures.py"


use rule slice_rooms as slice_objects with:
    output:
        image=PICTURES["image"],
        presence=PICTURES["presence"],
    log:
        f"{RESULTS}/logs/slice_objects/{{dataset}}/part-{{part}}.log",
    wildcard_constraints:
        dataset="|".join(datasets_with_layout("imagenet")) or "(?!)",
    params:
        code=code_of("slice_pictures"),
        size=config["slice"]["size"],
        rows=picture_range,
        classes=lambda wildcards: list(natural.class_names(config["datasets"][wildcards.dataset])),


rule slice_scenes:
    output:
        **PICTURES,
    log:
        f"{RESULTS}/logs/slice_scenes/{{dataset}}/part-{{part}}.log",
    wildcard_constraints:
        dataset="|".join(datasets_with_layout("scenes")) or "(?!)",
    resources:
        mem_mb=per_attempt(3000),
        runtime=per_attempt(30),
    params:
        code=code_of("slice_scenes"),
        size=config["slice"]["size"],
        rows=picture_range,
        seed=lambda wildcards: seeds.seed_for(config["seed"], "scenes", wildcards.dataset),
    script:
        "../workflow_scripts/slice_scenes.py"


def head_seed(dataset, head):
    """The seed of a synthetic head."""
    return seeds.seed_for(config["seed"], "head", dataset, head)


rule slice_heads:
    input:
        template=A_TEMPLATE,
    output:
        labels=HEAD_MAPS,
        index=PART_INDEX,
    log:
        f"{RESULTS}/logs/slice_heads/{{dataset}}/part-{{part}}.log",
    wildcard_constraints:
        dataset="|".join(name for name in HEADS if name not in MAPPED) or "(?!)",
    resources:
        mem_mb=per_attempt(6000),
        runtime=per_attempt(120),
    params:
        code=code_of("slice_heads"),
        entry=lambda wildcards: config["datasets"][wildcards.dataset],
        voxel_mm=config["template"]["voxel_mm"],
        size=config["slice"]["size"],
        seeds=lambda wildcards: {
            head: head_seed(wildcards.dataset, head) for head in subjects_of_part(wildcards, "slice")
        },
    script:
        "../workflow_scripts/slice_heads.py"


def scans_mapped(pattern):
    """Input function: a pattern filled in for each scan of a part of a dataset of their label maps."""
    return lambda wildcards: [
        scan_path(pattern, config["datasets"][wildcards.dataset]["scans"], subject)
        for subject in subjects_of_part(wildcards, "slice")
    ]


def classes_mapped(wildcards):
    """The classes of the manual labels in a dataset of label maps of scans, in order."""
    return list(classes_of(config["datasets"][wildcards.dataset]["scans"]))


# From volumes: what has no manual label is divided by the intensities of the whole head.
rule map_scans:
    input:
        images=scans_mapped(REGISTERED["image"]),
        brain=scans_mapped(REGISTERED["brain"]),
        labels=scans_mapped(rules.resample_target.output.labels),
    output:
        labels=HEAD_MAPS,
        index=PART_INDEX,
        measured=f"{PART}_desc-structures_voxels.tsv",
    log:
        f"{RESULTS}/logs/map_scans/{{dataset}}/part-{{part}}.log",
    wildcard_constraints:
        dataset="|".join(MAPPED) or "(?!)",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        code=code_of("map_scans"),
        classes=classes_mapped,
        clusters=lambda wildcards: config["datasets"][wildcards.dataset]["clusters"],
        size=config["slice"]["size"],
        discard_mm=lambda wildcards: config["datasets"][config["datasets"][wildcards.dataset]["scans"]]["discard_mm"],
        subjects=lambda wildcards: subjects_of_part(wildcards, "slice"),
    script:
        "../workflow_scripts/map_scans.py"


rule tabulate_labels:
    input:
        lambda wildcards: part_paths(rules.map_scans.output.measured, "slice", wildcards.dataset),
    output:
        f"{RESULTS}/slices/{{dataset}}/labels.tsv",
    log:
        f"{RESULTS}/logs/tabulate_labels/{{dataset}}.log",
    wildcard_constraints:
        dataset="|".join(MAPPED) or "(?!)",
    localrule: True
    params:
        code=code_of("tabulate_labels"),
        classes=classes_mapped,
        clusters=lambda wildcards: config["datasets"][wildcards.dataset]["clusters"],
    script:
        "../workflow_scripts/tabulate_labels.py"


rule slice:
    input:
        part_paths(SLICES["image"], "slice", *SLICED),
        [
            path
            for name in FURTHER
            if name in SLICED
            for image in FURTHER[name]
            for path in part_paths(image_slices(image), "slice", name)
        ],
        [part_paths(SLICES[kind], "slice", *LABELS_MADE) for kind in ("tissue", "presence")],
        part_paths(SLICES["target"], "slice", *LABELLED),
        part_paths(HEAD_MAPS, "slice", *HEADS),
        expand(rules.tabulate_labels.output, dataset=MAPPED),
        image_part_paths(PICTURES["image"], *NATURAL),
        image_part_paths(PICTURES["labels"], *datasets_with_layout(*natural.WITH_LABEL_MAPS)),
        image_part_paths(PICTURES["presence"], *datasets_with_layout(*natural.WITH_CLASSES)),
        rules.gate_quality.output,
