# Stage 7, evaluate: predictions of each model on its test scans and their scores; the tables of the study are in
# tables.smk.


METRICS = f"{RESULTS}/evaluate/{RUN}/metrics.parquet"
LESIONS = f"{RESULTS}/evaluate/{RUN}/lesions.parquet"
# Lesion detection applies to lesions alone: anatomical structures are present in every scan, once each.
LESIONED = [name for name, target in TARGETS.items() if target["metric"] == "dice"]
TARGET_DATASETS, LESIONED_DATASETS = ([TARGETS[name]["dataset"] for name in names] for names in (TARGETS, LESIONED))
BOOTSTRAP_SEED = seeds.seed_for(config["seed"], "bootstrap")


def source_paths(pattern, target, size, sources=sources_at):
    """A pattern with sources and resamples of a target filled in: all resamples of the first source, then the next.

    ``sources``: from the target and the size to the sources.
    """
    filled = {"source": sources(target, size), "resample": resamples_of(target, size)}
    return expand(pattern, **filled, allow_missing=True)


def scans_scored(wildcards):
    """The scans that any resample of the target and size tests, each once."""
    return list(dict.fromkeys(subject for subjects in subjects_drawn(wildcards, "test") for subject in subjects))


def scans_tested_by_run(sources):
    """Input function: the test scans of each run of a target and set size, in the order of source_paths."""
    return lambda wildcards: (subjects_drawn(wildcards, "test") * len(sources(wildcards.target, int(wildcards.size))))


# All models of a target and set size are in one job, because each takes less time than the start of a job. Predictions
# and scores are two, so that no GPU waits while scores are computed. Set size 0 has rules of its own, since it has fewer
# sources and resamples; all others are like size 1.
for name, size in [(name, 1) for name in TARGETS] + [(name, 0) for name in AS_PRETRAINED]:

    rule:
        name:
            f"segment_{name}" if size else f"segment_{name}_as_pretrained"
        input:
            models=source_paths(MODEL, name, size),
            metadata=source_paths(MODEL_METADATA, name, size),
            splits=resample_paths(SPLIT, name, size),
            index=drawn_slices(PART_INDEX, "test"),
            images=every_image(drawn_slices, "test"),
        output:
            predictions=source_paths(PREDICTIONS, name, size),
        log:
            f"{RESULTS}/logs/segment/{{target}}/size-{{size}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/segment/{{target}}/size-{{size}}.tsv"
        wildcard_constraints:
            target=name,
            size=r"[1-9]\d*" if size else "0",
        threads: config["training"]["threads"]
        resources:
            gpu=1,
            mem_mb=per_attempt(4000),
            runtime=per_attempt(240),
        params:
            code=code_of("segment_target"),
            network=network_of(name),
            neighbour_step=NEIGHBOUR_STEP,
            torch_threads=config["training"]["threads"],
            scans=scans_tested_by_run(sources_at),
            precision=config["training"]["precision"],
            classes=lambda wildcards: class_names(wildcards.target),
        script:
            "../workflow_scripts/segment_target.py"

    rule:
        name:
            f"evaluate_{name}" if size else f"evaluate_{name}_as_pretrained"
        input:
            predictions=source_paths(PREDICTIONS, name, size, sources_scored),
            splits=resample_paths(SPLIT, name, size),
            index=drawn_slices(PART_INDEX, "test"),
            labels=drawn_slices(SLICES["target"], "test"),
            registered=lambda wildcards: [
                scan_path(REGISTERED["quality"], TARGETS[wildcards.target]["dataset"], subject)
                for subject in scans_scored(wildcards)
            ],
        output:
            metrics=source_paths(METRICS, name, size, sources_scored),
            lesions=source_paths(LESIONS, name, size, sources_scored) if name in LESIONED else [],
        log:
            f"{RESULTS}/logs/evaluate/{{target}}/size-{{size}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/evaluate/{{target}}/size-{{size}}.tsv"
        wildcard_constraints:
            target=name,
            size=r"[1-9]\d*" if size else "0",
        threads: config["evaluate"]["threads"]
        resources:
            mem_mb=per_attempt(1000 + 1000 * config["evaluate"]["threads"]),
            runtime=per_attempt(120),
        params:
            code=code_of("evaluate_target"),
            scans=scans_tested_by_run(sources_scored),
            tested=scans_scored,
            tolerance_mm=config["evaluate"]["surface_tolerance_mm"],
            voxel_mm=config["template"]["voxel_mm"],
            classes=lambda wildcards: class_names(wildcards.target),
        script:
            "../workflow_scripts/evaluate_target.py"


NATIVE = f"{RESULTS}/evaluate/{{target}}/size-{{size}}_native.tsv"
NATIVE_LESIONS = f"{RESULTS}/evaluate/{{target}}/size-{{size}}_lesions.parquet"
# Targets whose lesions are detected on the scans' own grids, because competitors from elsewhere are.
LESIONED_NATIVE = [name for name in LESIONED if EXTERNAL[name]]


# Each prediction is carried back to the grid of its scan, which takes about a second: those of the largest set size,
# and all where competitors from elsewhere are compared with the sources on these grids.
def native_paths(target, pattern=NATIVE):
    """The files with a target's scores, or lesions, on the scans' own grids."""
    sizes = TARGETS[target]["sizes"]
    return expand(pattern, target=target, size=sizes if EXTERNAL[target] else [max(sizes)])


def runs_of(wildcards):
    """Source, resample and test scans of each model of the target and size that the wildcards name."""
    target, size = wildcards.target, int(wildcards.size)
    return [
        (source, resample, list(SPLITS[target, size, resample].test))
        for source in sources_scored(target, size)
        for resample in resamples_of(target, size)
    ]


def tested_of(wildcards):
    """The same scans as scans_scored, with what is known of them."""
    return [SCANS[TARGETS[wildcards.target]["dataset"]][subject] for subject in scans_scored(wildcards)]


def firsts_tested(wildcards):
    """The first images of these scans."""
    return [scan.first for scan in tested_of(wildcards)]


def transforms_tested(wildcards):
    """The registrations of these scans."""
    return [scan_path(TRANSFORM, scan.dataset, scan.subject) for scan in tested_of(wildcards)]


rule score_native:
    input:
        predictions=lambda wildcards: [
            PREDICTIONS.format(target=wildcards.target, source=source, size=wildcards.size, resample=resample)
            for source, resample, _ in runs_of(wildcards)
        ],
        first=firsts_tested,
        labels=lambda wildcards: [path for scan in tested_of(wildcards) for path in scan.target],
        headers=lambda wildcards: headers_of(*(path for scan in tested_of(wildcards) for path in scan.target)),
        transforms=transforms_tested,
        masks=lambda wildcards: masks_of(wildcards),
        checked=lambda wildcards: external_paths(EXTERNAL_CHECKED, wildcards.target),
    output:
        scores=NATIVE,
        lesions=[],
    log:
        f"{RESULTS}/logs/score_native/{{target}}/size-{{size}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_native/{{target}}/size-{{size}}.tsv"
    wildcard_constraints:
        target="|".join(name for name in TARGETS if name not in LESIONED_NATIVE) or "(?!)",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(240),
    params:
        code=code_of("score_native"),
        about=lambda wildcards: {"target": wildcards.target, "size": int(wildcards.size)},
        runs=runs_of,
        tested=scans_scored,
        label_files=lambda wildcards: [(len(scan.target), label_format(scan)) for scan in tested_of(wildcards)],
        classes=lambda wildcards: classes_of(TARGETS[wildcards.target]["dataset"]),
        discard_mm=lambda wildcards: config["datasets"][TARGETS[wildcards.target]["dataset"]]["discard_mm"],
        size=config["slice"]["size"],
        voxel_mm=config["template"]["voxel_mm"],
        external=lambda wildcards: masks_by_run(wildcards),
        metric=lambda wildcards: TARGETS[wildcards.target]["metric"],
        empty=config["evaluate"]["empty"],
    script:
        "../workflow_scripts/score_native.py"


use rule score_native as score_native_lesions with:
    output:
        scores=NATIVE,
        lesions=NATIVE_LESIONS,
    wildcard_constraints:
        target="|".join(LESIONED_NATIVE) or "(?!)",
