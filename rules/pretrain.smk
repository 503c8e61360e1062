# Stage 5, pretrain: one encoder per source.

# The kind of file with the targets of each task.
TARGET_KINDS = {"segmentation": "labels", "classification": "presence", "autoencoding": None}


def training_dataset(source):
    """The dataset that a source is trained on; None if it is not trained here."""
    domain, _, task = source.partition("-")
    if domain == "t1":
        return T1_SOURCE
    return config["pretrain"]["objects" if task == "classification" else "rooms"] if domain == "natural" else None


def source_slices(source, kind):
    """Files of one kind (image, labels, presence; None: no files) with the slices that a source is trained on."""
    dataset = training_dataset(source)
    if dataset is None or kind is None:
        return []
    if dataset in NATURAL:
        return image_part_paths(PICTURES[kind], dataset)
    return part_paths(rules.slice_source.output[kind], "slice", dataset)


def target_kind(source):
    """The kind of file with the targets of a source's task; None if it has none."""
    return TARGET_KINDS.get(source.rpartition("-")[2])


def uses_scans(source):
    """Whether a source is trained on scans, and not on natural images or not at all."""
    return training_dataset(source) == T1_SOURCE


def uses_images(source):
    """Whether a source is trained on natural images."""
    return training_dataset(source) in NATURAL


def source_epochs(source):
    """Number of epochs of a source's training."""
    epochs = config["pretrain"]["epochs"]
    return epochs if isinstance(epochs, int) else epochs["t1" if uses_scans(source) else "natural"]


def spec_of(source):
    """The task of a source, see headstart.pretrain.SourceTaskSpec; None if it is not trained here."""
    dataset, kind = training_dataset(source), source.rpartition("-")[2]
    if dataset is None:
        return None
    entry = config["datasets"][dataset]
    if kind == "classification":
        classes = natural.class_names(entry).values() if dataset in NATURAL else cut.PRESENCE_NAMES
        return {"kind": kind, "classes": list(classes), "activation": config["pretrain"]["activation"]}
    if kind == "segmentation" and dataset in NATURAL:
        return {"kind": kind, "classes": list(natural.label_names(entry)), "first": 1}
    return {"kind": kind, "classes": ["background", *template.TISSUES.values()] if kind == "segmentation" else []}


rule pretrain_source:
    input:
        index=lambda wildcards: part_paths(PART_INDEX, "slice", T1_SOURCE) if uses_scans(wildcards.source) else [],
        images=lambda wildcards: source_slices(wildcards.source, "image"),
        targets=lambda wildcards: source_slices(wildcards.source, target_kind(wildcards.source)),
        weights=lambda wildcards: [str(WEIGHTS)] if wildcards.source == "imagenet-classification" else [],
    output:
        encoder=f"{RESULTS}/pretrain/{{source}}/encoder.safetensors",
        decoder=f"{RESULTS}/pretrain/{{source}}/decoder.safetensors",
        model=f"{RESULTS}/pretrain/{{source}}/model.json",
        training=f"{RESULTS}/pretrain/{{source}}/training.tsv",
        examples=f"{RESULTS}/pretrain/{{source}}/examples.npz",
        card=f"{RESULTS}/pretrain/{{source}}/README.md",
    log:
        f"{RESULTS}/logs/pretrain_source/{{source}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain_source/{{source}}.tsv"
    threads: config["training"]["threads"]
    resources:
        gpu=lambda wildcards: config["pretrain"]["gpus"] if training_dataset(wildcards.source) else 0,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(1440),
    params:
        code=code_of("pretrain_source"),
        network=config["network"],
        torch_threads=config["training"]["threads"],
        gpus=config["pretrain"]["gpus"],
        resident_gb=config["training"]["resident_gb"],
        minutes=config["training"]["checkpoint_minutes"],
        state=f"{STATE}/pretrain/{{source}}.state",
        training=lambda wildcards: training_of(source_epochs(wildcards.source)),
        spec=lambda wildcards: spec_of(wildcards.source),
        sha256=config["pretrain"]["weights"]["sha256"],
        subjects=lambda wildcards: list(SCANS[T1_SOURCE]) if uses_scans(wildcards.source) else [],
        held_out=config["pretrain"]["held_out"],
        augment=lambda wildcards: config["pretrain"]["augment"].get(wildcards.source),
        # Where row 0 of a slice is: rows run from posterior to anterior in scans, from top to bottom in natural images.
        origin=lambda wildcards: "upper" if uses_images(wildcards.source) else "lower",
        expects=expected_input(),
        seed=seeds.seed_for(config["seed"], "pretrain"),
    script:
        "../workflow_scripts/pretrain_source.py"


rule tabulate_sources:
    output:
        table=report(
            f"{RESULTS}/tables/sources.tsv",
            caption="../rules/report/sources.rst",
            category="2 Training",
            labels={"table": "sources"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_sources.log",
    localrule: True
    params:
        code=code_of("tabulate_sources"),
        rows=[
            {
                "source": source,
                "dataset": training_dataset(source),
                "classes": len((spec_of(source) or {}).get("classes", [])),
                # Scans, or files of natural images: what may be held out.
                "files": len(SCANS[T1_SOURCE]) if uses_scans(source) else len(source_slices(source, "image")),
                "left_out": LEFT_OUT.get(source, ""),
            }
            for source in config["pretrain"]["sources"]
        ],
    script:
        "../workflow_scripts/tabulate_sources.py"


rule draw_training:
    input:
        training=expand(rules.pretrain_source.output.training, source=SOURCES),
        metadata=expand(rules.pretrain_source.output.model, source=SOURCES),
    output:
        figure=report_figure("pretraining", "pretraining", "2 Training", figure="pre-training"),
        numbers=f"{RESULTS}/figures/pretraining.tsv",
    log:
        f"{RESULTS}/logs/draw_training.log",
    params:
        code=code_of("draw_training"),
        sources=SOURCES,
    script:
        "../workflow_scripts/draw_training.py"


rule draw_source:
    input:
        examples=rules.pretrain_source.output.examples,
        metadata=rules.pretrain_source.output.model,
    output:
        report_figure("pretraining_{source}", "source", "2 Training", figure="examples: {source}"),
    log:
        f"{RESULTS}/logs/draw_source/{{source}}.log",
    params:
        code=code_of("draw_source"),
    script:
        "../workflow_scripts/draw_source.py"


rule pretrain:
    input:
        expand(rules.pretrain_source.output, source=SOURCES),
        rules.tabulate_sources.output,
        rules.gate_quality.output,
