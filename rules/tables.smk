# Stage 7, evaluate: the tables of the study.


# The number of scans that sets are drawn from, where results are to hold for the population of these scans.
POPULATION = POOLS if config["evaluate"]["training_scans"] == "population" else {}


# Competitors that were not trained on the training sets of the study.
UNTRAINED = [name for name, trained in EXTERNAL_TRAINED.items() if not trained]


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
        metrics=scored_paths(METRICS),
        registered=scan_paths(REGISTERED["quality"], *TARGET_DATASETS),
        gate=rules.gate_quality.output,
        # Where there are competitors from elsewhere, whole volumes are compared on the scans' own grids.
        native=[path for name in TARGETS if EXTERNAL[name] for path in native_paths(name)],
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
        runs=scored_paths(RUN),
        metrics={name: target["metric"] for name, target in TARGETS.items()},
        tests=tests_of(TARGETS),
        scans=[(name, scan) for name, target in TARGETS.items() for scan in SCANS[target["dataset"]]],
        empty=config["evaluate"]["empty"],
        draws=config["evaluate"]["bootstrap"],
        seed=BOOTSTRAP_SEED,
        population=POPULATION,
        untrained=UNTRAINED,
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
        untrained=UNTRAINED,
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
        untrained=UNTRAINED,
    script:
        "../workflow_scripts/tabulate_needed.py"


rule tabulate_detection:
    input:
        lesions=scored_paths(LESIONS, LESIONED),
        registered=scan_paths(REGISTERED["quality"], *LESIONED_DATASETS),
        losses=scan_paths(rules.resample_target.output.losses, *LESIONED_DATASETS),
        native=[path for name in LESIONED_NATIVE for path in native_paths(name, NATIVE_LESIONS)],
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
        runs=scored_paths(RUN, LESIONED),
        tests=tests_of(LESIONED),
        scans=[(name, scan) for name in LESIONED for scan in SCANS[TARGETS[name]["dataset"]]],
        cutoffs=config["evaluate"]["lesions"],
        on_own_grids=LESIONED_NATIVE,
        draws=config["evaluate"]["bootstrap"],
        seed=BOOTSTRAP_SEED,
    script:
        "../workflow_scripts/tabulate_detection.py"


rule tabulate_native:
    input:
        scored=[path for name in TARGETS for path in native_paths(name)],
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
