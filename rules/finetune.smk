# Stage 6, finetune: a model of each source for each target, set size and resample, with the same draws for all sources.


rule write_split:
    output:
        SPLIT,
    log:
        f"{RESULTS}/logs/write_split/{{target}}/size-{{size}}_resample-{{resample}}.log",
    localrule: True
    params:
        code=code_of("write_split"),
        split=lambda wildcards: split_of(wildcards).table(),
    script:
        "../workflow_scripts/write_split.py"


MODEL = f"{RESULTS}/finetune/{RUN}/model.safetensors"
MODEL_METADATA = f"{RESULTS}/finetune/{RUN}/model.json"


def resample_paths(pattern, target):
    """A pattern with the resamples of a target filled in."""
    return expand(pattern, resample=resamples_of(target), allow_missing=True)


# All resamples of a target, source and set size train in one job, since starting a job takes as long as a small
# training. Their number depends on the target; therefore each target has its own rule.
for name in TARGETS:

    rule:
        name:
            f"finetune_{name}"
        input:
            encoder=rules.pretrain_source.output.encoder,
            model=rules.pretrain_source.output.model,
            splits=resample_paths(SPLIT, name),
            index=drawn_slices(PART_INDEX, "train"),
            images=drawn_slices(SLICES["image"], "train"),
            labels=drawn_slices(SLICES["target"], "train"),
        output:
            models=resample_paths(MODEL, name),
            metadata=resample_paths(MODEL_METADATA, name),
            training=resample_paths(f"{RESULTS}/finetune/{RUN}/training.tsv", name),
        log:
            f"{RESULTS}/logs/finetune/{GROUP}.log",
        benchmark:
            f"{RESULTS}/benchmarks/finetune/{GROUP}.tsv"
        wildcard_constraints:
            target=name,
        threads: config["training"]["threads"]
        resources:
            gpu=1,
            mem_mb=per_attempt(8000),
            runtime=per_attempt(240),
        params:
            code=code_of("finetune_target"),
            network=config["network"],
            torch_threads=config["training"]["threads"],
            runs_per_gpu=config["training"]["runs_per_gpu"],
            resident_gb=config["training"]["resident_gb"],
            minutes=config["training"]["checkpoint_minutes"],
            states=lambda wildcards: [
                f"{STATE}/{RUN}.state".format(**wildcards, resample=resample)
                for resample in resamples_of(wildcards.target)
            ],
            training=lambda wildcards: training_of(TARGETS[wildcards.target]["epochs"]),
            classes=lambda wildcards: class_names(wildcards.target),
            expects=expected_input(),
            # Names, and the preparation of the scans: with it, a prediction needs nothing but the model's folder.
            about=lambda wildcards: {
                "source": wildcards.source,
                "target": wildcards.target,
                "register": REGISTER,
                "discard_mm": config["datasets"][TARGETS[wildcards.target]["dataset"]]["discard_mm"],
            },
            scans=lambda wildcards: subjects_drawn(wildcards, "train"),
            # Without the source, so that the decoder and the order of the slices are the same for every source.
            seeds=lambda wildcards: [
                seeds.seed_for(config["seed"], "finetune", wildcards.target, wildcards.size, str(resample))
                for resample in resamples_of(wildcards.target)
            ],
        script:
            "../workflow_scripts/finetune_target.py"


rule finetune:
    input:
        run_paths(MODEL),
        rules.gate_quality.output,
