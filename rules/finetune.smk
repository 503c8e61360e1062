# Stage 6, finetune: every source on every target, set size and resample, with the same draws for each source.


rule draw_split:
    output:
        SPLIT,
    log:
        f"{RESULTS}/logs/draw_split/{{target}}/size-{{size}}_resample-{{resample}}.log",
    localrule: True
    params:
        code=code_of("draw_split"),
        split=lambda wildcards: split_of(wildcards).table(),
    script:
        "../workflow_scripts/draw_split.py"


rule finetune_target:
    input:
        encoder=rules.pretrain_source.output.encoder,
        model=rules.pretrain_source.output.model,
        split=SPLIT,
        images=split_slices("T1w", "train"),
        labels=split_slices("desc-target_dseg", "train"),
    output:
        model=f"{RESULTS}/finetune/{RUN}/model.safetensors",
        facts=f"{RESULTS}/finetune/{RUN}/model.json",
        training=f"{RESULTS}/finetune/{RUN}/training.tsv",
    log:
        f"{RESULTS}/logs/finetune_target/{RUN}.log",
    benchmark:
        f"{RESULTS}/benchmarks/finetune_target/{RUN}.tsv"
    threads: config["training"]["threads"]
    resources:
        gpu=1,
        mem_mb=grown(8000),
        runtime=grown(240),
    params:
        code=code_of("finetune_target"),
        network=config["network"],
        torch_threads=config["training"]["threads"],
        training=lambda wildcards: training_of(TARGETS[wildcards.target]["epochs"]),
        classes=lambda wildcards: ["background", *TARGETS[wildcards.target]["classes"]],
        expects=expected_input(),
        # The source is left out, so that decoder and order of slices are the same for every source.
        seed=lambda wildcards: seeds.seed_for(
            config["seed"], "finetune", wildcards.target, wildcards.size, wildcards.resample
        ),
    script:
        "../workflow_scripts/finetune_target.py"


rule finetune:
    input:
        over_runs(rules.finetune_target.output.model),
        rules.gate_quality.output,
