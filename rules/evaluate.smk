# Stage 7, evaluate: each model on its test scans, then the study's tables.


rule evaluate_model:
    input:
        model=rules.finetune_target.output.model,
        facts=rules.finetune_target.output.facts,
        split=SPLIT,
        images=split_slices("T1w", "test"),
        labels=split_slices("desc-target_dseg", "test"),
    output:
        metrics=f"{RESULTS}/evaluate/{RUN}/metrics.parquet",
        predictions=f"{RESULTS}/evaluate/{RUN}/predictions.npz",
    log:
        f"{RESULTS}/logs/evaluate_model/{RUN}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_model/{RUN}.tsv"
    threads: config["training"]["threads"]
    resources:
        gpu=1,
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        code=code_of("evaluate_model"),
        network=config["network"],
        torch_threads=config["training"]["threads"],
        scans=lambda wildcards: list(split_of(wildcards).test),
        precision=config["training"]["precision"],
        classes=lambda wildcards: ["background", *TARGETS[wildcards.target]["classes"]],
    script:
        "../workflow_scripts/evaluate_model.py"


rule tabulate_scores:
    input:
        metrics=over_runs(rules.evaluate_model.output.metrics),
        gate=rules.gate_quality.output,
    output:
        scores=f"{RESULTS}/tables/scores.tsv",
        summary=report(
            f"{RESULTS}/tables/summary.tsv",
            caption="../rules/report/summary.rst",
            category="1 Answer",
            labels={"table": "scores with intervals"},
        ),
        gains=report(
            f"{RESULTS}/tables/gains.tsv",
            caption="../rules/report/gains.rst",
            category="1 Answer",
            labels={"table": "gain over scratch"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_scores.log",
    resources:
        mem_mb=grown(4000),
        runtime=grown(20),
    params:
        code=code_of("tabulate_scores"),
        runs=over_runs(RUN),
        metrics={name: target["metric"] for name, target in TARGETS.items()},
        tests={
            f"{name}/size-{size}_resample-{resample}": list(split.test)
            for (name, size, resample), split in SPLITS.items()
        },
        empty=config["evaluate"]["empty"],
        draws=config["evaluate"]["bootstrap"],
        seed=seeds.seed_for(config["seed"], "bootstrap"),
    script:
        "../workflow_scripts/tabulate_scores.py"


rule evaluate:
    input:
        rules.tabulate_scores.output,
