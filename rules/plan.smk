# How long a study's trainings and evaluations will take: `snakemake plan`. Not a stage; nothing in the study depends on it.


def slices_per_scan(dataset):
    """Number of slices that are kept of each scan of a dataset."""
    return cut.count(template.grid(config["template"]["voxel_mm"]), config["datasets"][dataset]["discard_mm"])


def training_slices(source):
    """Number of slices that a source is trained on."""
    held_out = config["pretrain"]["held_out"]
    if source.natural:
        return config["datasets"][source.dataset]["pictures"] - held_out * config["slice"]["images_per_file"]
    return (len(subjects_of(source)) - held_out) * slices_per_scan(source.scans or source.dataset)


def slices_seen(slices, epochs, steps):
    """Number of slices that a training of this length sees, each time that one is seen."""
    if steps:
        # The last batch of an epoch is smaller than the others: what counts is the mean.
        return round(steps * slices / -(-slices // config["training"]["batch_size"]))
    return epochs * slices


def pretrainings():
    """One row for each source's pre-trainings; auto-encoding, which trains a discriminator too, has a speed of its own."""
    return [
        {
            "stage": "pretrain",
            "source": source.name,
            "jobs": source.repeats,
            "images": source.repeats * slices_seen(training_slices(source), source.epochs, source.steps),
            "speed": "autoencoding" if source.task == "autoencoding" else "pretrain",
        }
        for source in SOURCES.values()
        if source.trained
    ]


def finetunings(name):
    """One row for each source's tried learning rates on a target, and for each set size there."""
    target, works = TARGETS[name], []
    if name in TUNING:
        rates, size = len(config["finetune"]["learning_rates"]), len(TUNING[name][0].train)
        works.append(("tune", size, rates * len(TUNING[name])))
    works += [("finetune", size, target["resamples"]) for size in target["sizes"] if size]
    rows = []
    for stage, size, trainings in works:
        slices = size * slices_per_scan(target["dataset"])
        images = trainings * slices_seen(slices, target["epochs"], target["steps"])
        row = {"stage": stage, "target": name, "size": size, "jobs": 1, "images": images, "speed": "finetune"}
        rows += [{**row, "source": source} for source in SOURCES]
    return rows


def evaluations(name):
    """One row for each set size of a target: every model predicts the scans that its resample tests."""
    rows = []
    for size in TARGETS[name]["sizes"]:
        tested = sum(len(SPLITS[name, size, resample].test) for resample in resamples_of(name, size))
        images = len(sources_at(name, size)) * tested * slices_per_scan(TARGETS[name]["dataset"])
        rows.append(
            {"stage": "evaluate", "target": name, "size": size, "jobs": 1, "images": images, "speed": "evaluate"}
        )
    return rows


def work_to_do():
    """The rows of all stages, each with the same columns; ``speed`` says at which of the measured speeds it runs."""
    rows = pretrainings()
    for name in TARGETS:
        rows += finetunings(name) + evaluations(name)
    columns = ("stage", "target", "source", "size", "jobs", "images", "speed")
    return [{column: row.get(column, "") for column in columns} for row in rows]


def designs():
    """What is known of each target's design before anything is trained, see headstart.evaluate.design.sentence."""
    own = len(SOURCES) - ("scratch" in SOURCES)
    return [
        {
            "target": name,
            "metric": target["metric"],
            "sizes": [size for size in target["sizes"] if size],
            "resamples": target["resamples"],
            "scans": len(scans_tested(name) if is_cross_validated(name) else SPLITS[name, target["sizes"][0], 1].test),
            "folds": target.get("folds", 1),
            "sources": own + len(EXTERNAL[name]),
            "pool": POPULATION.get(name),
        }
        for name, target in TARGETS.items()
        if own + len(EXTERNAL[name]) and "scratch" in SOURCES
    ]


# Without output, so that it runs each time it is asked for.
rule plan:
    log:
        f"{RESULTS}/logs/plan.log",
    threads: config["training"]["threads"]
    resources:
        gpu=1,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(20),
    params:
        code=code_of("plan_study"),
        network=config["network"],
        size=config["slice"]["size"],
        torch_threads=config["training"]["threads"],
        runs_per_gpu=config["training"]["runs_per_gpu"],
        training=training_of(1),
        classes=max(len(class_names(name)) for name in TARGETS),
        work=lambda wildcards: work_to_do(),
        voxel_mm=config["template"]["voxel_mm"],
        score_processes=config["evaluate"]["threads"],
        designs=designs(),
    script:
        "../workflow_scripts/plan_study.py"
