# Stage 4, slice: axial slices in memory-mappable arrays, one set a scan; a dataset is a source or a target, never both.


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


SOURCE_IMAGES = over_scans(rules.slice_source.output.image, T1_SOURCE)
SOURCE_TISSUES = over_scans(rules.slice_source.output.labels, T1_SOURCE)


rule slice:
    input:
        SOURCE_IMAGES,
        SOURCE_TISSUES,
        over_scans(rules.slice_source.output.presence, T1_SOURCE),
        over_scans(rules.slice_target.output.image, *LABELLED),
        over_scans(rules.slice_target.output.labels, *LABELLED),
        rules.gate_quality.output,
