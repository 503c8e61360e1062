# Stage 4, slice: axial slices in memory-mappable arrays, one set a scan; a dataset is a source or a target, never both.

SHARD = f"{RESULTS}/slices/{{dataset}}/part-{{shard}}"
PICTURES = {
    "image": f"{SHARD}_image.npy",
    "labels": f"{SHARD}_dseg.npy",
    "presence": f"{SHARD}_desc-presence.npy",
}


def laid_out(*layouts):
    """The datasets of natural images with one of these layouts."""
    return [name for name in NATURAL if config["datasets"][name]["layout"] in layouts]


def rows_of(wildcards):
    """First and last picture of a file, the latter left out."""
    return within(config["datasets"][wildcards.dataset]["pictures"], config["slice"]["pictures"], wildcards.shard)


rule slice_source:
    input:
        image=rules.register_scan.output.t1w,
        labels=LABELS["tissue"],
        brain=LABELS["brain"],
        structures=LABELS["structures"],
    output:
        image=f"{SLICES}_T1w.npy",
        labels=f"{SLICES}_desc-tissue_dseg.npy",
        presence=f"{SLICES}_desc-presence.npy",
    log:
        f"{RESULTS}/logs/slice_source/{{dataset}}/sub-{{subject}}.log",
    wildcard_constraints:
        dataset=T1_SOURCE,
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        code=code_of("slice_scan"),
        size=config["slice"]["size"],
        discard_mm=lambda wildcards: config["datasets"][wildcards.dataset]["discard_mm"],
        presence_voxels=config["slice"]["presence_voxels"],
    script:
        "../workflow_scripts/slice_scan.py"


use rule slice_source as slice_target with:
    input:
        image=rules.register_scan.output.t1w,
        labels=rules.resample_target.output.labels,
    output:
        image=f"{SLICES}_T1w.npy",
        labels=f"{SLICES}_desc-target_dseg.npy",
    log:
        f"{RESULTS}/logs/slice_target/{{dataset}}/sub-{{subject}}.log",
    wildcard_constraints:
        dataset="|".join(LABELLED),


rule slice_rooms:
    input:
        rules.list_pictures.output,
    output:
        image=PICTURES["image"],
        labels=PICTURES["labels"],
    log:
        f"{RESULTS}/logs/slice_rooms/{{dataset}}/part-{{shard}}.log",
    wildcard_constraints:
        dataset="|".join(laid_out("taskonomy")) or "(?!)",
    resources:
        mem_mb=grown(3000),
        runtime=grown(60),
    params:
        code=code_of("slice_pictures"),
        size=config["slice"]["size"],
        rows=rows_of,
    script:
        "../workflow_scripts/slice_pictures.py"


use rule slice_rooms as slice_objects with:
    output:
        image=PICTURES["image"],
        presence=PICTURES["presence"],
    log:
        f"{RESULTS}/logs/slice_objects/{{dataset}}/part-{{shard}}.log",
    wildcard_constraints:
        dataset="|".join(laid_out("imagenet")) or "(?!)",
    params:
        code=code_of("slice_pictures"),
        size=config["slice"]["size"],
        rows=rows_of,
        classes=lambda wildcards: list(natural.class_names(config["datasets"][wildcards.dataset])),


rule slice_scenes:
    output:
        **PICTURES,
    log:
        f"{RESULTS}/logs/slice_scenes/{{dataset}}/part-{{shard}}.log",
    wildcard_constraints:
        dataset="|".join(laid_out("scenes")) or "(?!)",
    resources:
        mem_mb=grown(3000),
        runtime=grown(30),
    params:
        code=code_of("slice_scenes"),
        size=config["slice"]["size"],
        rows=rows_of,
        seed=lambda wildcards: seeds.seed_for(config["seed"], "scenes", wildcards.dataset),
    script:
        "../workflow_scripts/slice_scenes.py"


SOURCE_IMAGES = over_scans(rules.slice_source.output.image, T1_SOURCE)
SOURCE_TISSUES = over_scans(rules.slice_source.output.labels, T1_SOURCE)
SOURCE_PRESENCE = over_scans(rules.slice_source.output.presence, T1_SOURCE)


rule slice:
    input:
        SOURCE_IMAGES,
        SOURCE_TISSUES,
        SOURCE_PRESENCE,
        over_scans(rules.slice_target.output.image, *LABELLED),
        over_scans(rules.slice_target.output.labels, *LABELLED),
        over_shards(PICTURES["image"], *NATURAL),
        over_shards(PICTURES["labels"], *laid_out(*headstart_datasets.MAPPED)),
        over_shards(PICTURES["presence"], *laid_out(*headstart_datasets.CLASSED)),
        rules.gate_quality.output,
