# Stage 5, pretrain: one encoder a source.

# What answers a task's question, slice by slice.
ANSWERS = {"segmentation": "labels", "classification": "presence", "autoencoding": None}


def training_dataset(source):
    """The dataset that a source learns from; None if it is not trained here."""
    domain, _, task = source.partition("-")
    if domain == "t1":
        return T1_SOURCE
    return config["pretrain"]["objects" if task == "classification" else "rooms"] if domain == "natural" else None


def source_slices(source, kind):
    """One kind of file (image, labels, presence; None: no file) of all that a source learns from."""
    dataset = training_dataset(source)
    if dataset is None or kind is None:
        return []
    if dataset in NATURAL:
        return image_part_paths(PICTURES[kind], dataset)
    return part_paths(rules.slice_source.output[kind], "slice", dataset)


def uses_scans(source):
    """Whether a source learns from scans, rather than from pictures or from nothing."""
    return training_dataset(source) == T1_SOURCE


def source_epochs(source):
    """Epochs of a source's training."""
    epochs = config["pretrain"]["epochs"]
    return epochs if isinstance(epochs, int) else epochs["t1" if uses_scans(source) else "natural"]


def spec_of(source):
    """What a source asks of its slices, see headstart.pretrain.SourceTaskSpec; None if it is not trained here."""
    dataset, kind = training_dataset(source), source.rpartition("-")[2]
    if dataset is None:
        return None
    entry = config["datasets"][dataset]
    if kind == "classification":
        classes = natural.class_names(entry).values() if dataset in NATURAL else cut.PRESENT
        return {"kind": kind, "classes": list(classes), "activation": config["pretrain"]["activation"]}
    if kind == "segmentation" and dataset in NATURAL:
        return {"kind": kind, "classes": list(natural.thing_names(entry)), "first": 1}
    return {"kind": kind, "classes": ["background", *template.TISSUES] if kind == "segmentation" else []}


rule pretrain_source:
    input:
        index=lambda wildcards: part_paths(PART_INDEX, "slice", T1_SOURCE) if uses_scans(wildcards.source) else [],
        images=lambda wildcards: source_slices(wildcards.source, "image"),
        targets=lambda wildcards: source_slices(wildcards.source, ANSWERS.get(wildcards.source.rpartition("-")[2])),
        weights=lambda wildcards: [str(WEIGHTS)] if wildcards.source == "imagenet-classification" else [],
    output:
        encoder=f"{RESULTS}/pretrain/{{source}}/encoder.safetensors",
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
        augment=lambda wildcards: config["pretrain"]["augment"] if training_dataset(wildcards.source) in NATURAL else None,
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
                # scans, or files of pictures: what may be held out
                "files": len(SCANS[T1_SOURCE]) if uses_scans(source) else len(source_slices(source, "image")),
                "left_out": LEFT_OUT.get(source, ""),
            }
            for source in config["pretrain"]["sources"]
        ],
    script:
        "../workflow_scripts/tabulate_sources.py"


rule pretrain:
    input:
        expand(rules.pretrain_source.output, source=SOURCES),
        rules.tabulate_sources.output,
        rules.gate_quality.output,
