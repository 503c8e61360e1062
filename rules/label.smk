# Stage 3, label: tissues and deep structures for the T1 sources, and how good they are where the truth is known.


rule label_scan:
    input:
        t1w=lambda wildcards: scan_of(wildcards).t1w,
        brain=rules.register_scan.output.brain,
        transform=TRANSFORM,
        template=A_TEMPLATE,
    output:
        tissue=f"{IN_SPACE}_desc-tissue_dseg.nii.gz",
        structures=f"{IN_SPACE}_desc-subcortical_dseg.nii.gz",
        picture=report(
            f"{DERIVED}_desc-labels_T1w.png",
            caption="../rules/report/labels.rst",
            category="3 Quality control",
            subcategory="labels: {dataset}",
            labels={"scan": "{subject}"},
        ),
    log:
        f"{RESULTS}/logs/label_scan/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_scan/{{dataset}}/sub-{{subject}}.tsv"
    threads: config["label"]["threads"]
    resources:
        mem_mb=grown(8000),
        runtime=grown(30),
    params:
        code=code_of("label_scan"),
        voxel_mm=config["template"]["voxel_mm"],
        settings={key: config["label"][key] for key in config["label"] if key not in ("backend", "threads")},
    script:
        "../workflow_scripts/label_scan.py"


def made_labels(wildcards):
    """The made labels of a scan that is a T1 source; other scans have none."""
    if wildcards.dataset != T1_SOURCE:
        return {}
    return {
        "made_tissue": rules.label_scan.output.tissue.format(**wildcards),
        "made_structures": rules.label_scan.output.structures.format(**wildcards),
    }


rule compare_truth:
    input:
        unpack(made_labels),
        brain=rules.register_scan.output.brain,
        transform=TRANSFORM,
        truth=[PERSON[name] for name in ("brain", "tissue", "structures", "landmarks")],
    output:
        f"{DERIVED}_desc-truth_T1w.json",
    log:
        f"{RESULTS}/logs/compare_truth/{{dataset}}/sub-{{subject}}.log",
    resources:
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        code=code_of("compare_truth"),
        voxel_mm=config["template"]["voxel_mm"],
        labelled=lambda wildcards: wildcards.dataset == T1_SOURCE,
    script:
        "../workflow_scripts/compare_truth.py"


rule label:
    input:
        TEMPLATE,
        over_scans(rules.label_scan.output.tissue, T1_SOURCE),
        over_scans(rules.compare_truth.output[0], *PHANTOMS),
        rules.gate_quality.output,
