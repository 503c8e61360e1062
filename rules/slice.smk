# Stage 4, slice: axial slices in memory-mappable arrays, one a scan.


rule slice_image:
    input:
        rules.register_scan.output.t1w,
    output:
        f"{SLICES}_T1w.npy",
    log:
        f"{RESULTS}/logs/slice_image/{{dataset}}/sub-{{subject}}.log",
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        code=code_of("slice_image"),
        size=config["slice"]["size"],
        discard_mm=lambda wildcards: config["datasets"][wildcards.dataset]["discard_mm"],
    script:
        "../workflow_scripts/slice_image.py"


rule slice_labels:
    input:
        f"{IN_SPACE}_desc-{{labels}}_dseg.nii.gz",
    output:
        f"{SLICES}_desc-{{labels}}_dseg.npy",
    log:
        f"{RESULTS}/logs/slice_labels/{{dataset}}/sub-{{subject}}_{{labels}}.log",
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        code=code_of("slice_labels"),
        size=config["slice"]["size"],
        discard_mm=lambda wildcards: config["datasets"][wildcards.dataset]["discard_mm"],
    script:
        "../workflow_scripts/slice_labels.py"


rule slice_presence:
    input:
        brain=LABELS["brain"],
        structures=LABELS["structures"],
    output:
        f"{SLICES}_desc-presence.npy",
    log:
        f"{RESULTS}/logs/slice_presence/{{dataset}}/sub-{{subject}}.log",
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        code=code_of("slice_presence"),
        least_voxels=config["slice"]["presence_voxels"],
        discard_mm=lambda wildcards: config["datasets"][wildcards.dataset]["discard_mm"],
    script:
        "../workflow_scripts/slice_presence.py"


SOURCE_IMAGES = over_scans(rules.slice_image.output[0], T1_SOURCE)
SOURCE_TISSUES = over_scans(f"{SLICES}_desc-tissue_dseg.npy", T1_SOURCE)


rule slice:
    input:
        over_scans(rules.slice_image.output[0], *SCANS),
        SOURCE_TISSUES,
        over_scans(rules.slice_presence.output[0], T1_SOURCE),
        over_scans(f"{SLICES}_desc-target_dseg.npy", *LABELLED),
        rules.gate_quality.output,
