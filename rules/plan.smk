# What a study's trainings will cost, before they begin: `snakemake plan`. No stage, and nothing of the study hangs on it.


def slices_a_scan(dataset):
    """Slices that are kept of each scan of a dataset."""
    return cut.count(template.grid(config["template"]["voxel_mm"]), config["datasets"][dataset]["discard_mm"])


def training_slices(source):
    """Slices that a source learns from in an epoch."""
    dataset, held_out = training_dataset(source), config["pretrain"]["held_out"]
    if dataset in NATURAL:
        return config["datasets"][dataset]["pictures"] - held_out * config["slice"]["pictures"]
    return (len(SCANS[dataset]) - held_out) * slices_a_scan(dataset)


def trainings_to_do():
    """A row for each pre-training, and for each source's fine-tunings of a target and set size."""
    rows = [
        {"stage": "pretrain", "source": source, "jobs": 1, "images": training_slices(source) * source_epochs(source)}
        for source in SOURCES
        if training_dataset(source)
    ]
    for name, target in TARGETS.items():
        for size in target["sizes"]:
            images = size * slices_a_scan(target["dataset"]) * target["epochs"] * target["resamples"]
            row = {"stage": "finetune", "target": name, "size": size, "jobs": 1, "images": images}
            rows += [{**row, "source": source} for source in SOURCES]
    columns = ("stage", "target", "source", "size", "jobs", "images")
    return [{column: row.get(column, "") for column in columns} for row in rows]


# Without output, so that it answers whenever it is asked.
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
        together=config["training"]["together"],
        training=training_of(1),
        classes=max(len(target["classes"]) for target in TARGETS.values()) + 1,
        trainings=lambda wildcards: trainings_to_do(),
    script:
        "../workflow_scripts/plan_study.py"
