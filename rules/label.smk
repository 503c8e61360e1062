# Stage 3, label: tissues and deep structures for the T1 sources, and how good they are where the truth is known.

from snakemake_interface_executor_plugins.settings import DeploymentMethod

# What labels each dataset, settled where the study is planned: on a cluster the jobs' machines may have other tools.
BACKENDS = {
    name: label.choose(entry.get("backend", config["label"]["backend"]), fsl.found())
    for name, entry in config["datasets"].items()
}
CONTAINED = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
FSL_IMAGE = f"{workflow.basedir}/envs/fsl.sif"

if CONTAINED and BACKENDS[T1_SOURCE] == "fsl" and not os.path.exists(FSL_IMAGE):
    raise WorkflowError(f"{FSL_IMAGE} does not exist; build it with `apptainer build envs/fsl.sif envs/fsl.def`.")

MADE = {"tissue": "desc-tissue_dseg", "structures": "desc-subcortical_dseg", "brain": "desc-labels_mask"}
LABELS = {
    **{name: f"{IN_SPACE}_{suffix}.nii.gz" for name, suffix in MADE.items()},
    "sidecars": [f"{IN_SPACE}_{suffix}.json" for suffix in MADE.values()],
    "picture": report(
        f"{DERIVED}_desc-labels_T1w.png",
        caption="../rules/report/labels.rst",
        category="3 Quality control",
        subcategory="labels: {dataset}",
        labels={"scan": "{subject}"},
    ),
}


def labelled_by(backend):
    """Regular expression for the datasets of a back end; for all in a job's own process, which is told its rule."""
    names = [name for name in SCANS if BACKENDS[name] == backend or not workflow.is_main_process]
    return "|".join(names) or "(?!)"


rule label_scan:
    input:
        t1w=lambda wildcards: scan_of(wildcards).t1w,
        brain=rules.register_scan.output.brain,
        transform=TRANSFORM,
        template=A_TEMPLATE,
    output:
        **LABELS,
    log:
        f"{RESULTS}/logs/label_scan/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_scan/{{dataset}}/sub-{{subject}}.tsv"
    wildcard_constraints:
        dataset=labelled_by("ants"),
    threads: config["label"]["threads"]
    resources:
        mem_mb=grown(8000),
        runtime=grown(30),
    params:
        code=code_of("label_scan"),
        voxel_mm=config["template"]["voxel_mm"],
        settings={
            key: config["label"][key] for key in config["label"] if key not in ("backend", "atlases", "fsl", "threads")
        },
    script:
        "../workflow_scripts/label_scan.py"


rule label_scan_fsl:
    input:
        t1w=lambda wildcards: scan_of(wildcards).t1w,
        transform=TRANSFORM,
        quality=rules.register_scan.output.quality,
    output:
        **LABELS,
    log:
        f"{RESULTS}/logs/label_scan_fsl/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_scan_fsl/{{dataset}}/sub-{{subject}}.tsv"
    wildcard_constraints:
        dataset=labelled_by("fsl"),
    container:
        FSL_IMAGE if CONTAINED else None
    threads: config["label"]["threads"]
    resources:
        mem_mb=grown(6000),
        runtime=grown(90),
    params:
        code=code_of("label_scan_fsl"),
        voxel_mm=config["template"]["voxel_mm"],
        settings=config["label"]["fsl"],
    script:
        "../workflow_scripts/label_scan_fsl.py"


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
