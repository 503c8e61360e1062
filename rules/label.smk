# Stage 3, label: tissues and deep structures of the scans that a source segments or classifies, and their accuracy where
# the ground truth is known.

from snakemake_interface_executor_plugins.settings import DeploymentMethod

CONTAINED = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
FSL_IMAGE = f"{workflow.basedir}/envs/fsl.sif"

if CONTAINED and any(BACKENDS[name] == "fsl" for name in LABELS_MADE) and not os.path.exists(FSL_IMAGE):
    raise WorkflowError(f"{FSL_IMAGE} does not exist; build it with `apptainer build envs/fsl.sif envs/fsl.def`.")

MADE = {"tissue": "desc-tissue_dseg", "structures": "desc-subcortical_dseg", "brain": "desc-labels_mask"}
LABELS = {
    **{name: f"{IN_SPACE}_{suffix}.nii.gz" for name, suffix in MADE.items()},
    "sidecars": [f"{IN_SPACE}_{suffix}.json" for suffix in MADE.values()],
}


def labelled_by(backend):
    """Regular expression of the datasets of a back end; in the process of a job, whose rule is given, of all."""
    names = [name for name in SCANS if BACKENDS[name] == backend or not workflow.is_main_process]
    return "|".join(names) or "(?!)"


# A study's labeller is trained on some scans of these datasets, tested on others, and labels the rest; the back ends label
# the first two. Without a labeller, the back ends label all scans.
LEARN = config["label"]["learn"] if config["label"]["learn"]["scans"] and LABELS_MADE else None
try:
    LABELLER_SPLIT = (
        splits.draw_labeller_split(scans_for_training(*LABELS_MADE), LEARN, config["seed"]) if LEARN else None
    )
except job.UserError as error:
    raise WorkflowError(str(error)) from None


LABELLER_SEED = seeds.seed_for(config["seed"], "labeller")


def subjects_by_backend():
    """Regular expression of the subjects that a back end labels, which follow their dataset in the paths of scans."""
    if not LEARN:
        return "[A-Za-z0-9]+"
    named = (name.split("/") for name in (*LABELLER_SPLIT.train, *LABELLER_SPLIT.test))
    return "|".join(rf"(?<=/{dataset}/sub-){subject}(?![A-Za-z0-9])" for dataset, subject in named)


BY_BACKEND = subjects_by_backend()


rule label_scan:
    input:
        t1w=lambda wildcards: scan_of(wildcards).first,
        brain=REGISTERED["brain"],
        transform=path_of_scan(TRANSFORM),
        template=A_TEMPLATE,
    output:
        **LABELS,
    log:
        f"{RESULTS}/logs/label_scan/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_scan/{{dataset}}/sub-{{subject}}.tsv"
    wildcard_constraints:
        dataset=labelled_by("ants"),
        subject=BY_BACKEND,
    threads: config["label"]["threads"]
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(30),
    params:
        code=code_of("label_scan"),
        voxel_mm=config["template"]["voxel_mm"],
        settings={key: config["label"][key] for key in ("warp_mm", "warp_iterations", "bias_mm", "smoothness", "steps")},
    script:
        "../workflow_scripts/label_scan.py"


rule label_scan_fsl:
    input:
        t1w=lambda wildcards: scan_of(wildcards).first,
        transform=path_of_scan(TRANSFORM),
        quality=path_of_scan(REGISTERED["quality"]),
    output:
        **LABELS,
    log:
        f"{RESULTS}/logs/label_scan_fsl/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_scan_fsl/{{dataset}}/sub-{{subject}}.tsv"
    wildcard_constraints:
        dataset=labelled_by("fsl"),
        subject=BY_BACKEND,
    container:
        FSL_IMAGE if CONTAINED else None
    threads: config["label"]["threads"]
    resources:
        mem_mb=per_attempt(6000),
        runtime=per_attempt(90),
    params:
        code=code_of("label_scan_fsl"),
        voxel_mm=config["template"]["voxel_mm"],
        settings=config["label"]["fsl"],
    script:
        "../workflow_scripts/label_scan_fsl.py"


def labeller_scans(role):
    """Dataset and subject of the scans on which the labeller is trained (train) or tested (test)."""
    return [tuple(name.split("/")) for name in (getattr(LABELLER_SPLIT, role) if LEARN else ())]


def labeller_paths(pattern, role):
    """A pattern filled in for the scans on which the labeller is trained (train) or tested (test)."""
    return [scan_path(pattern, dataset, subject) for dataset, subject in labeller_scans(role)]


rule train_labeller:
    input:
        t1w=labeller_paths(REGISTERED["image"], "train"),
        tissue=labeller_paths(LABELS["tissue"], "train"),
        structures=labeller_paths(LABELS["structures"], "train"),
    output:
        model=f"{RESULTS}/labeller/labeller.safetensors",
        metadata=f"{RESULTS}/labeller/model.json",
        training=f"{RESULTS}/labeller/training.tsv",
    log:
        f"{RESULTS}/logs/train_labeller.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_labeller.tsv"
    threads: config["training"]["threads"]
    resources:
        gpu=1,
        mem_mb=per_attempt(16000),
        runtime=per_attempt(1440),
    params:
        code=code_of("train_labeller"),
        network=config["network"],
        torch_threads=config["training"]["threads"],
        training=(
            {
                **training_of(LEARN["epochs"]),
                "batch_size": LEARN["batch_size"],
                "learning_rate": LEARN["learning_rate"],
            }
            if LEARN
            else {}
        ),
        resident_gb=run_setting("resident_gb"),
        minutes=run_setting("checkpoint_minutes"),
        state=f"{STATE}/labeller.state",
        scans=list(LABELLER_SPLIT.train) if LEARN else [],
        backend=", ".join(sorted({BACKENDS[name] for name in LABELS_MADE})),
        expects=expected_input(),
        seed=LABELLER_SEED,
    script:
        "../workflow_scripts/train_labeller.py"


LABELLER = {
    "network": config["network"],
    "torch_threads": config["label"]["threads"],
    "precision": config["training"]["precision"],
    "expects": expected_input(),
}


rule label_scan_network:
    input:
        t1w=path_of_scan(REGISTERED["image"]),
        model=rules.train_labeller.output.model,
        metadata=rules.train_labeller.output.metadata,
    output:
        **LABELS,
    log:
        f"{RESULTS}/logs/label_scan_network/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_scan_network/{{dataset}}/sub-{{subject}}.tsv"
    wildcard_constraints:
        dataset="|".join(LABELS_MADE) if LEARN else "(?!)",
        subject=f"(?!{BY_BACKEND})[A-Za-z0-9]+",
    threads: config["label"]["threads"]
    resources:
        gpu=1,
        mem_mb=per_attempt(4000),
        runtime=per_attempt(10),
    params:
        **LABELLER,
        code=code_of("label_scan_network"),
    script:
        "../workflow_scripts/label_scan_network.py"


rule compare_labeller:
    input:
        t1w=path_of_scan(REGISTERED["image"]),
        model=rules.train_labeller.output.model,
        metadata=rules.train_labeller.output.metadata,
        tissue=LABELS["tissue"],
        structures=LABELS["structures"],
    output:
        f"{DERIVED}_desc-labeller_T1w.json",
    log:
        f"{RESULTS}/logs/compare_labeller/{{dataset}}/sub-{{subject}}.log",
    threads: config["label"]["threads"]
    resources:
        gpu=1,
        mem_mb=per_attempt(4000),
        runtime=per_attempt(10),
    params:
        **LABELLER,
        code=code_of("compare_labeller"),
    script:
        "../workflow_scripts/compare_labeller.py"


rule tabulate_labeller:
    input:
        labeller_paths(rules.compare_labeller.output[0], "test"),
    output:
        table=report(
            f"{RESULTS}/tables/labeller.tsv",
            caption="../rules/report/labeller.rst",
            category="3 Quality control",
            labels={"table": "the labeller on held-out scans"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_labeller.log",
    params:
        code=code_of("tabulate_labeller"),
        scans=labeller_scans("test"),
    script:
        "../workflow_scripts/tabulate_labeller.py"


rule draw_labels:
    input:
        t1w=paths_of_part(REGISTERED["image"], "check"),
        tissue=paths_of_part(LABELS["tissue"], "check"),
        structures=paths_of_part(LABELS["structures"], "check"),
    output:
        pictures=scan_pictures("labels"),
    log:
        f"{RESULTS}/logs/draw_labels/{{dataset}}/part-{{part}}.log",
    wildcard_constraints:
        dataset="|".join(LABELS_MADE) or "(?!)",
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        code=code_of("draw_labels"),
        subjects=lambda wildcards: [scan.subject for scan in scans_of_part(wildcards, "check")],
    script:
        "../workflow_scripts/draw_labels.py"


def made_labels(name):
    """Input function: the automatic labels of one kind for the scans of a part, if they are made for its dataset."""
    return lambda wildcards: paths_of_part(LABELS[name], "check")(wildcards) if wildcards.dataset in LABELS_MADE else []


rule compare_ground_truth:
    input:
        made_tissue=made_labels("tissue"),
        made_structures=made_labels("structures"),
        made_brain=paths_of_part(REGISTERED["brain"], "check"),
        transforms=paths_of_part(TRANSFORM, "check"),
        brain=paths_of_part(SUBJECT["brain"], "check"),
        tissue=paths_of_part(SUBJECT["tissue"], "check"),
        structures=paths_of_part(SUBJECT["structures"], "check"),
        landmarks=paths_of_part(SUBJECT["landmarks"], "check"),
    output:
        f"{RESULTS}/ground_truth/{{dataset}}/part-{{part}}.tsv",
    log:
        f"{RESULTS}/logs/compare_ground_truth/{{dataset}}/part-{{part}}.log",
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(60),
    params:
        code=code_of("compare_ground_truth"),
        voxel_mm=config["template"]["voxel_mm"],
        scans=lambda wildcards: [(scan.dataset, scan.subject) for scan in scans_of_part(wildcards, "check")],
    script:
        "../workflow_scripts/compare_ground_truth.py"


rule label:
    input:
        TEMPLATE,
        scan_paths(rules.label_scan.output.tissue, *LABELS_MADE),
        part_paths(rules.draw_labels.output.pictures, "check", *LABELS_MADE),
        part_paths(rules.compare_ground_truth.output[0], "check", *PHANTOMS),
        rules.tabulate_labeller.output if LEARN else [],
        rules.gate_quality.output,
