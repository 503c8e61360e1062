# Stage 4, slice: axial slices in memory-mappable arrays, one set a scan; a dataset is a source or a target, never both.

SHARD = f"{RESULTS}/slices/{{dataset}}/part-{{shard}}"
# Taskonomy has label maps; ImageNet's pictures have a class, which their table tells.
ROOMS = {name for name in NATURAL if config["datasets"][name]["layout"] == "taskonomy"}


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
        image=f"{SHARD}_image.npy",
        labels=f"{SHARD}_dseg.npy",
    log:
        f"{RESULTS}/logs/slice_rooms/{{dataset}}/part-{{shard}}.log",
    wildcard_constraints:
        dataset="|".join(ROOMS) or "(?!)",
    resources:
        mem_mb=grown(3000),
        runtime=grown(60),
    params:
        code=code_of("slice_pictures"),
        size=config["slice"]["size"],
        rows=lambda wildcards: [(int(wildcards.shard) + step) * config["slice"]["pictures"] for step in (0, 1)],
    script:
        "../workflow_scripts/slice_pictures.py"


use rule slice_rooms as slice_objects with:
    output:
        image=f"{SHARD}_image.npy",
    log:
        f"{RESULTS}/logs/slice_objects/{{dataset}}/part-{{shard}}.log",
    wildcard_constraints:
        dataset="|".join(NATURAL.keys() - ROOMS) or "(?!)",


SOURCE_IMAGES = over_scans(rules.slice_source.output.image, T1_SOURCE)
SOURCE_TISSUES = over_scans(rules.slice_source.output.labels, T1_SOURCE)


rule slice:
    input:
        SOURCE_IMAGES,
        SOURCE_TISSUES,
        over_scans(rules.slice_source.output.presence, T1_SOURCE),
        over_scans(rules.slice_target.output.image, *LABELLED),
        over_scans(rules.slice_target.output.labels, *LABELLED),
        over_shards(rules.slice_rooms.output.image, *NATURAL),
        over_shards(rules.slice_rooms.output.labels, *ROOMS),
        rules.gate_quality.output,
