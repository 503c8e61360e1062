# Stage 5, pretrain: one encoder per source.


def files_of_slices(source, kind):
    """Files of one kind, a key of SLICES or PICTURES (None: no files), with the slices that a source is trained on."""
    if not source.trained or kind is None:
        return []
    if source.label_maps:
        return part_paths(HEAD_MAPS, "slice", source.dataset) if kind == source.targets else []
    if source.natural:
        return image_part_paths(PICTURES[kind], source.dataset)
    return parts_of_scans(SLICES[kind], source.dataset, subjects_of(source))


def index_of_slices(source):
    """The indices of these files, of scans and synthetic heads."""
    indexed = source.on_scans or source.label_maps
    return parts_of_scans(PART_INDEX, source.dataset, subjects_of(source)) if indexed else []


def subjects_of(source):
    """The scans, or synthetic heads, that a source is trained on; of natural images none."""
    if source.label_maps:
        return HEADS[source.dataset]
    return [scan.subject for scan in scans_for_training(source.dataset)] if source.on_scans else []


def left_out_of(source):
    """The scans of a source's dataset, or of its label maps, that it is not trained on: their people are in a test set."""
    return LEFT_OUT.get(source.scans, [])


def spec_of(source):
    """The task of a source, see headstart.training.source_tasks.SourceTaskSpec; None if it is not trained here."""
    return source.spec(config["datasets"][source.dataset]) if source.trained else None


def of_source(value):
    """Input or parameter function: a function of the source that the wildcards name."""
    return lambda wildcards: value(SOURCES[wildcards.source])


PRETRAINED_FOLDER = f"{RESULTS}/pretrain/{{source}}{{repeat}}"


def repeat_folders(source):
    """The wildcard of each repeat of a source: the first is in the folder of the source itself."""
    return ["", *(f"/repeat-{number}" for number in range(2, SOURCES[source].repeats + 1))]


def repeat_of(wildcards):
    """Number of the repeat that the wildcards name."""
    return int(wildcards.repeat.rpartition("-")[2] or 1)


def pretrained(file, source, repeat):
    """A file of this repeat of a source."""
    return f"{PRETRAINED_FOLDER}/{file}".format(source=source, repeat=repeat_folders(source)[repeat - 1])


def start_of(file):
    """Input function: a file of what a source continues, if it does; a decoder, if it is transferred."""

    def path(wildcards):
        start = SOURCES.get(SOURCES[wildcards.source].start)
        if start is None or (file == "decoder.safetensors" and start.transfer != "all"):
            return []
        return pretrained(file, start.name, start.repeat_of(repeat_of(wildcards)))

    return path


def about_source(wildcards):
    """What model.json says of a source besides its training."""
    source, repeat = SOURCES[wildcards.source], repeat_of(wildcards)
    return {
        "dataset": source.dataset,
        **({"scans": source.scans} if source.dataset in MAPPED else {}),
        "left_out": left_out_of(source),
        **({"start": source.start} if source.start else {}),
        **({"repeat": repeat} if repeat > 1 else {}),
    }


def pretraining_seed(repeat):
    """The seed of a repeat, the same for all sources, so that they start from the same random initialisation."""
    return seeds.seed_for(config["seed"], "pretrain", *(["repeat", repeat] if repeat > 1 else []))


rule pretrain_source:
    input:
        index=of_source(index_of_slices),
        images=of_source(lambda source: files_of_slices(source, "image")),
        targets=of_source(lambda source: files_of_slices(source, source.targets)),
        labels=of_source(
            lambda source: (
                rules.tabulate_labels.output[0].format(dataset=source.dataset) if source.dataset in MAPPED else []
            )
        ),
        weights=of_source(lambda source: [str(WEIGHTS[source.name])] if source.weights else []),
        start=start_of("encoder.safetensors"),
        start_decoder=start_of("decoder.safetensors"),
        start_model=start_of("model.json"),
    output:
        encoder=f"{PRETRAINED_FOLDER}/encoder.safetensors",
        decoder=f"{PRETRAINED_FOLDER}/decoder.safetensors",
        model=f"{PRETRAINED_FOLDER}/model.json",
        training=f"{PRETRAINED_FOLDER}/training.tsv",
        examples=f"{PRETRAINED_FOLDER}/examples.npz",
        card=f"{PRETRAINED_FOLDER}/README.md",
    log:
        f"{RESULTS}/logs/pretrain_source/{{source}}{{repeat}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain_source/{{source}}{{repeat}}.tsv"
    threads: config["training"]["threads"]
    resources:
        gpu=of_source(lambda source: config["pretrain"]["gpus"] if source.trained else 0),
        mem_mb=per_attempt(8000),
        runtime=per_attempt(1440),
    params:
        code=code_of("pretrain_source"),
        network=config["network"],
        torch_threads=config["training"]["threads"],
        gpus=config["pretrain"]["gpus"],
        resident_gb=run_setting("resident_gb"),
        minutes=run_setting("checkpoint_minutes"),
        state=f"{STATE}/pretrain/{{source}}{{repeat}}.state",
        training=of_source(lambda source: training_of(source.epochs, source.steps, source.learning_rate)),
        spec=of_source(spec_of),
        weights=of_source(lambda source: source.weights),
        subjects=of_source(subjects_of),
        held_out=config["pretrain"]["held_out"],
        augment=of_source(lambda source: source.augment),
        synthesis=of_source(lambda source: source.synthesised(config)),
        # Where row 0 of a slice is: rows run from posterior to anterior in scans, from top to bottom in natural images.
        origin=of_source(lambda source: "upper" if source.natural else "lower"),
        about=about_source,
        expects=expected_input(),
        seed=lambda wildcards: pretraining_seed(repeat_of(wildcards)),
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
                "source": source.name,
                "domain": source.domain,
                "dataset": source.dataset,
                "task": source.task,
                "labels": source.labels,
                "classes": len((spec_of(source) or {}).get("classes", [])),
                # Scans, or files of natural images: what may be held out.
                "files": len(subjects_of(source) or files_of_slices(source, "image")),
                "start": source.start,
                "repeats": source.repeats if source.trained else None,
                "transfer": source.transfer,
                "left_out": ", ".join(left_out_of(source)),
                "overlap": leaks.of_source(OVERLAPS, source, SOURCES),
            }
            for source in SOURCES.values()
        ],
    script:
        "../workflow_scripts/tabulate_sources.py"


rule draw_training:
    input:
        training=[pretrained("training.tsv", source, 1) for source in SOURCES],
        metadata=[pretrained("model.json", source, 1) for source in SOURCES],
    output:
        figure=report_figure("pretraining", "pretraining", "2 Training", figure="pre-training"),
        numbers=f"{RESULTS}/figures/pretraining.tsv",
    log:
        f"{RESULTS}/logs/draw_training.log",
    params:
        code=code_of("draw_training"),
        sources=SHOWN,
    script:
        "../workflow_scripts/draw_training.py"


rule draw_source:
    input:
        examples=lambda wildcards: pretrained("examples.npz", wildcards.source, 1),
        metadata=lambda wildcards: pretrained("model.json", wildcards.source, 1),
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
        [expand(rules.pretrain_source.output, source=source, repeat=repeat_folders(source)) for source in SOURCES],
        rules.tabulate_sources.output,
        rules.gate_quality.output,
