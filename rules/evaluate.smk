# Stage 7, evaluate: predictions of each model on its test scans and their scores, then the tables of the study.


METRICS = f"{RESULTS}/evaluate/{RUN}/metrics.parquet"
LESIONS = f"{RESULTS}/evaluate/{RUN}/lesions.parquet"
PREDICTIONS = f"{RESULTS}/evaluate/{RUN}/predictions.npz"
# Lesion detection applies to lesions alone: anatomical structures are present in every scan, once each.
LESIONED = [name for name, target in TARGETS.items() if target["metric"] == "dice"]
TARGET_DATASETS, LESIONED_DATASETS = ([TARGETS[name]["dataset"] for name in names] for names in (TARGETS, LESIONED))
BOOTSTRAP_SEED = seeds.seed_for(config["seed"], "bootstrap")


def source_paths(pattern, target, size):
    """A pattern with sources and resamples of a target filled in: all resamples of the first source, then the next."""
    filled = {"source": sources_at(target, size), "resample": resamples_of(target, size)}
    return expand(pattern, **filled, allow_missing=True)


def scans_scored(wildcards):
    """The scans that any resample of the target and size tests, each once."""
    return list(dict.fromkeys(subject for subjects in subjects_drawn(wildcards, "test") for subject in subjects))


def scans_tested_by_run(wildcards):
    """The test scans of each run of a target and set size, in the order of source_paths."""
    return subjects_drawn(wildcards, "test") * len(sources_at(wildcards.target, int(wildcards.size)))


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
            images=drawn_images("test"),
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
            scans=scans_tested_by_run,
            precision=config["training"]["precision"],
            classes=lambda wildcards: class_names(wildcards.target),
        script:
            "../workflow_scripts/segment_target.py"

    rule:
        name:
            f"evaluate_{name}" if size else f"evaluate_{name}_as_pretrained"
        input:
            predictions=source_paths(PREDICTIONS, name, size),
            splits=resample_paths(SPLIT, name, size),
            index=drawn_slices(PART_INDEX, "test"),
            labels=drawn_slices(SLICES["target"], "test"),
            registered=lambda wildcards: [
                rules.register_scan.output.quality.format(
                    dataset=TARGETS[wildcards.target]["dataset"], subject=subject
                )
                for subject in scans_scored(wildcards)
            ],
        output:
            metrics=source_paths(METRICS, name, size),
            lesions=source_paths(LESIONS, name, size) if name in LESIONED else [],
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
            scans=scans_tested_by_run,
            tested=scans_scored,
            tolerance_mm=config["evaluate"]["surface_tolerance_mm"],
            voxel_mm=config["template"]["voxel_mm"],
            classes=lambda wildcards: class_names(wildcards.target),
        script:
            "../workflow_scripts/evaluate_target.py"


# The number of scans that sets are drawn from, where results are to hold for the population of these scans.
POPULATION = POOLS if config["evaluate"]["training_scans"] == "population" else {}


def answer_table(name, label, subcategory="3 Tables"):
    """A table of the report's first category, with the caption of the same name."""
    return report(
        f"{RESULTS}/tables/{name}.tsv",
        caption=f"../rules/report/{name}.rst",
        category="1 Answer",
        subcategory=subcategory,
        labels={"table": label},
    )


rule tabulate_scores:
    input:
        metrics=run_paths(METRICS),
        registered=scan_paths(rules.register_scan.output.quality, *TARGET_DATASETS),
        gate=rules.gate_quality.output,
    output:
        scans=f"{RESULTS}/tables/scan_scores.parquet",
        scores=f"{RESULTS}/tables/scores.tsv",
        summary=answer_table("summary", "mean scores with 95 % CI"),
        distances=answer_table("distances", "surface distances"),
    log:
        f"{RESULTS}/logs/tabulate_scores.log",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        code=code_of("tabulate_scores"),
        runs=run_paths(RUN),
        metrics={name: target["metric"] for name, target in TARGETS.items()},
        tests=tests_of(TARGETS),
        scans=[(name, scan) for name, target in TARGETS.items() for scan in SCANS[target["dataset"]]],
        empty=config["evaluate"]["empty"],
        draws=config["evaluate"]["bootstrap"],
        seed=BOOTSTRAP_SEED,
        population=POPULATION,
        tolerance_mm=config["evaluate"]["surface_tolerance_mm"],
    script:
        "../workflow_scripts/tabulate_scores.py"


rule compare_sources:
    input:
        scans=rules.tabulate_scores.output.scans,
    output:
        verdict=answer_table("verdict", "verdict", "1 Verdict"),
        saved=answer_table("saved", "labelled scans saved", "1 Verdict"),
        gains=answer_table("gains", "gain over scratch"),
        comparisons=answer_table("comparisons", "pairwise comparisons of sources"),
        curves=answer_table("curves", "fitted learning curves"),
    log:
        f"{RESULTS}/logs/compare_sources.log",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        code=code_of("compare_sources"),
        draws=config["evaluate"]["bootstrap"],
        seed=BOOTSTRAP_SEED,
        population=POPULATION,
        pools=POOLS,
        margin=config["evaluate"]["margin"],
        training_scans=config["evaluate"]["training_scans"],
    script:
        "../workflow_scripts/compare_sources.py"


rule tabulate_needed:
    input:
        scans=rules.tabulate_scores.output.scans,
    output:
        needed=answer_table("needed", "labelled scans needed", "1 Verdict"),
        backtest=answer_table("backtest", "check of the forecasts"),
    log:
        f"{RESULTS}/logs/tabulate_needed.log",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        code=code_of("tabulate_needed"),
        aims={name: {key: target.get(key) for key in ("wanted", "have")} for name, target in TARGETS.items()},
        draws=config["evaluate"]["bootstrap"],
        seed=BOOTSTRAP_SEED,
        population=POPULATION,
    script:
        "../workflow_scripts/tabulate_needed.py"


rule tabulate_detection:
    input:
        lesions=run_paths(LESIONS, LESIONED),
        registered=scan_paths(rules.register_scan.output.quality, *LESIONED_DATASETS),
        losses=scan_paths(rules.resample_target.output.losses, *LESIONED_DATASETS),
        gate=rules.gate_quality.output,
    output:
        table=answer_table("detection", "lesion detection"),
    log:
        f"{RESULTS}/logs/tabulate_detection.log",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        code=code_of("tabulate_detection"),
        runs=run_paths(RUN, LESIONED),
        tests=tests_of(LESIONED),
        scans=[(name, scan) for name in LESIONED for scan in SCANS[TARGETS[name]["dataset"]]],
        cutoffs=config["evaluate"]["lesions"],
        draws=config["evaluate"]["bootstrap"],
        seed=BOOTSTRAP_SEED,
    script:
        "../workflow_scripts/tabulate_detection.py"


NATIVE = f"{RESULTS}/evaluate/{{target}}/size-{{size}}_native.tsv"
# Each prediction is carried back to the grid of its scan, which takes about a second: those of the largest set size.
SCORED_NATIVE = [NATIVE.format(target=name, size=max(target["sizes"])) for name, target in TARGETS.items()]


def runs_of(wildcards):
    """Source, resample and test scans of each model of the target and size that the wildcards name."""
    target, size = wildcards.target, int(wildcards.size)
    return [
        (source, resample, list(SPLITS[target, size, resample].test))
        for source in sources_at(target, size)
        for resample in resamples_of(target, size)
    ]


def tested_of(wildcards):
    """The same scans as scans_scored, with what is known of them."""
    return [SCANS[TARGETS[wildcards.target]["dataset"]][subject] for subject in scans_scored(wildcards)]


rule score_native:
    input:
        predictions=lambda wildcards: [
            PREDICTIONS.format(target=wildcards.target, source=source, size=wildcards.size, resample=resample)
            for source, resample, _ in runs_of(wildcards)
        ],
        t1w=lambda wildcards: [scan.t1w for scan in tested_of(wildcards)],
        labels=lambda wildcards: [path for scan in tested_of(wildcards) for path in scan.target],
        transforms=lambda wildcards: [
            TRANSFORM.format(dataset=scan.dataset, subject=scan.subject) for scan in tested_of(wildcards)
        ],
    output:
        NATIVE,
    log:
        f"{RESULTS}/logs/score_native/{{target}}/size-{{size}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_native/{{target}}/size-{{size}}.tsv"
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
    script:
        "../workflow_scripts/score_native.py"


rule tabulate_native:
    input:
        scored=SCORED_NATIVE,
    output:
        table=answer_table("native", "Dice on the scans' own grids"),
    log:
        f"{RESULTS}/logs/tabulate_native.log",
    params:
        code=code_of("tabulate_native"),
        draws=config["evaluate"]["bootstrap"],
        seed=BOOTSTRAP_SEED,
        population=POPULATION,
    script:
        "../workflow_scripts/tabulate_native.py"


rule evaluate:
    input:
        rules.tabulate_native.output,
        rules.tabulate_scores.output,
        rules.tabulate_detection.output if LESIONED else [],
        rules.compare_sources.output,
        rules.tabulate_needed.output,
