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
TRAINING = f"{RESULTS}/finetune/{RUN}/training.tsv"


def repeats_taken(source, target):
    """The repeat of a source from which each resample of a target is fine-tuned."""
    return [SOURCES[source].repeat_of(resample) for resample in resamples_of(target, 1)]


def taken(file):
    """Input function: a file of each repeat of a source that is fine-tuned; a decoder, if it is transferred."""

    def paths(wildcards):
        source = SOURCES[wildcards.source]
        if file == "decoder.safetensors" and source.transfer != "all":
            return []
        repeats = dict.fromkeys(repeats_taken(source.name, wildcards.target))
        return [pretrained(file, source.name, repeat) for repeat in repeats]

    return paths


def taken_first(file):
    """Input function: a file of a source's first repeat; a decoder, if it is transferred."""
    return lambda wildcards: taken(file)(wildcards)[:1]


def finetuning_of(target):
    """Settings of a target's fine-tunings, see headstart.training.settings.TrainingSettings."""
    settings = training_of(**{length: TARGETS[target][length] for length in ("epochs", "steps")})
    rates = config["finetune"]["learning_rates"] or [settings["learning_rate"]]
    return settings | {"encoder_factor": config["finetune"]["encoder_factor"], "learning_rate": rates[0]}


def tuning_seed(target, draw):
    """The seed of a draw on which a target's learning rates are tried, the same for every source and rate."""
    return seeds.seed_for(config["seed"], "tune", DRAWN_AS[target], draw)


def finetuning_seed(target, size, resample):
    """The seed of a fine-tuning: for every source the same, so that all have one decoder and one order of slices."""
    return seeds.seed_for(config["seed"], "finetune", DRAWN_AS[target], size, resample)


def augmentation_of(target):
    """The random changes of slices in a target's fine-tunings, see headstart.training.augment; None for none."""
    return config["finetune"]["augment"] if TARGETS[target]["augment"] else None


def trained_with(target):
    """Parameters of all trainings of a target's models: those that try a learning rate, and fine-tunings."""
    return {
        "network": network_of(target),
        "torch_threads": config["training"]["threads"],
        "runs_per_gpu": run_setting("runs_per_gpu"),
        "resident_gb": run_setting("resident_gb"),
        "minutes": run_setting("checkpoint_minutes"),
        "neighbour_step": NEIGHBOUR_STEP,
        "augment": augmentation_of(target),
        "training": finetuning_of(target),
        # A function, since Snakemake takes braces in a plain text for wildcards.
        "classes": lambda wildcards: class_names(target),
        "expects": expected_input(),
    }


def scans_of_tuning(target, *roles):
    """Subjects with these roles in each draw on which a target's learning rates are tried."""
    return [sum((list(getattr(split, role)) for role in roles), []) for split in TUNING[target]]


def tuning_slices(pattern, target):
    """The files with the slices of the scans on which a target's learning rates are tried."""
    return parts_holding(pattern, target, set().union(*scans_of_tuning(target, "train", "test")))


TRIES = f"{RESULTS}/tuning/{{target}}/{{source}}.tsv"


for name in TUNING:

    rule:
        name:
            f"tune_{name}"
        input:
            encoder=taken_first("encoder.safetensors"),
            decoder=taken_first("decoder.safetensors"),
            model=taken_first("model.json"),
            index=tuning_slices(PART_INDEX, name),
            images=[path for image in IMAGES[name] for path in tuning_slices(image_slices(image), name)],
            labels=tuning_slices(SLICES["target"], name),
        output:
            TRIES,
        log:
            f"{RESULTS}/logs/tune/{{target}}/{{source}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/tune/{{target}}/{{source}}.tsv"
        wildcard_constraints:
            target=name,
        threads: config["training"]["threads"]
        resources:
            gpu=1,
            mem_mb=per_attempt(8000),
            runtime=per_attempt(240),
        params:
            **trained_with(name),
            code=code_of("tune_target"),
            learning_rates=config["finetune"]["learning_rates"],
            states=lambda wildcards: [
                [
                    f"{STATE}/tune/{{target}}/{{source}}/rate-{rate}_draw-{draw}.state".format(**wildcards)
                    for draw, _ in enumerate(TUNING[wildcards.target], start=1)
                ]
                for rate in config["finetune"]["learning_rates"]
            ],
            metric=TARGETS[name]["metric"],
            train=scans_of_tuning(name, "train"),
            held_out=scans_of_tuning(name, "test"),
            seeds=[tuning_seed(name, draw) for draw in range(len(TUNING[name]))],
        script:
            "../workflow_scripts/tune_target.py"


rule tabulate_tuning:
    input:
        expand(TRIES, target=TUNING, source=SOURCES),
    output:
        report(
            f"{RESULTS}/tables/tuning.tsv",
            caption="../rules/report/tuning.rst",
            category="2 Training",
            labels={"table": "learning rates"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_tuning.log",
    localrule: True
    params:
        code=code_of("tabulate_tuning"),
        runs=[[target, source] for target in TUNING for source in SOURCES],
    script:
        "../workflow_scripts/tabulate_tuning.py"


def images_of_model(target):
    """What model.json says of the images of a target's models, where it is not that they see a T1, the only image."""
    names, first = IMAGES[target], FIRST[TARGETS[target]["dataset"]]
    if first != T1W:
        return {"images": names, "first_image": first}
    return {"images": names} if names != [T1W] else {}


def about_model(wildcards):
    """Names, and the preparation of the scans: with it, a prediction needs nothing but the model's folder."""
    return {
        "source": wildcards.source,
        **({"source_start": start} if (start := SOURCES[wildcards.source].start) else {}),
        "target": wildcards.target,
        "register": REGISTER,
        "discard_mm": config["datasets"][TARGETS[wildcards.target]["dataset"]]["discard_mm"],
        **({"neighbour_step": NEIGHBOUR_STEP} if config["slice"]["neighbours"] else {}),
        **images_of_model(wildcards.target),
    }


# Set size 0: the network of a source, as it is pre-trained, as a model of a target.
rule keep_pretrained:
    input:
        encoder=taken_first("encoder.safetensors"),
        decoder=taken_first("decoder.safetensors"),
        model=taken_first("model.json"),
    output:
        models=MODEL,
        metadata=MODEL_METADATA,
        training=TRAINING,
    log:
        f"{RESULTS}/logs/finetune/{RUN}.log",
    wildcard_constraints:
        size="0",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        code=code_of("keep_pretrained"),
        network=lambda wildcards: network_of(wildcards.target),
        classes=lambda wildcards: class_names(wildcards.target),
        expects=expected_input(),
        about=about_model,
    script:
        "../workflow_scripts/keep_pretrained.py"


# All resamples of a target, source and set size train in one job, since starting a job takes as long as a small
# training. Their number depends on the target; therefore each target has its own rule.
for name in TARGETS:

    rule:
        name:
            f"finetune_{name}"
        input:
            encoders=taken("encoder.safetensors"),
            decoders=taken("decoder.safetensors"),
            models=taken("model.json"),
            tuning=[TRIES] if name in TUNING else [],
            splits=resample_paths(SPLIT, name, 1),
            index=drawn_slices(PART_INDEX, "train"),
            images=every_image(drawn_slices, "train"),
            labels=drawn_slices(SLICES["target"], "train"),
        output:
            models=resample_paths(MODEL, name, 1),
            metadata=resample_paths(MODEL_METADATA, name, 1),
            training=resample_paths(TRAINING, name, 1),
        log:
            f"{RESULTS}/logs/finetune/{GROUP}.log",
        benchmark:
            f"{RESULTS}/benchmarks/finetune/{GROUP}.tsv"
        wildcard_constraints:
            target=name,
            size=r"[1-9]\d*",
        threads: config["training"]["threads"]
        resources:
            gpu=1,
            mem_mb=per_attempt(8000),
            runtime=per_attempt(240),
        params:
            **trained_with(name),
            code=code_of("finetune_target"),
            states=lambda wildcards: [
                f"{STATE}/{RUN}.state".format(**wildcards, resample=resample)
                for resample in resamples_of(wildcards.target, 1)
            ],
            about=about_model,
            repeats=lambda wildcards: repeats_taken(wildcards.source, wildcards.target),
            scans=lambda wildcards: subjects_drawn(wildcards, "train"),
            seeds=lambda wildcards: [
                finetuning_seed(wildcards.target, wildcards.size, resample)
                for resample in resamples_of(wildcards.target, 1)
            ],
        script:
            "../workflow_scripts/finetune_target.py"


rule tabulate_trainings:
    input:
        run_paths(TRAINING, least=1),
    output:
        report(
            f"{RESULTS}/tables/trainings.tsv",
            caption="../rules/report/trainings.rst",
            category="2 Training",
            labels={"table": "fine-tunings that were still learning"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_trainings.log",
    params:
        code=code_of("tabulate_trainings"),
        runs=[list(run) for run in runs(least=1)],
    script:
        "../workflow_scripts/tabulate_trainings.py"


rule finetune:
    input:
        run_paths(MODEL),
        rules.tabulate_trainings.output,
        rules.tabulate_tuning.output if TUNING else [],
        rules.gate_quality.output,
