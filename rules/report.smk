# Stage 8, report: the figures. `make report` gathers them, with captions, in one HTML file.


def in_report(name, caption, category, **labels):
    """A figure as PNG in the report and as SVG beside it."""
    png = f"{RESULTS}/figures/{name}.png"
    shown = report(png, caption=f"../rules/report/{caption}.rst", category=category, labels=labels)
    return [shown, f"{RESULTS}/figures/{name}.svg"]


rule draw_scores:
    input:
        rules.tabulate_scores.output.scores,
        rules.tabulate_scores.output.summary,
        rules.tabulate_scores.output.gains,
    output:
        in_report("scores", "scores", "1 Answer", figure="score against set size"),
    log:
        f"{RESULTS}/logs/draw_scores.log",
    params:
        code=code_of("draw_scores"),
    script:
        "../workflow_scripts/draw_scores.py"


def shown_run(pattern):
    """Input function: a file of each source's run that the examples show, at the largest set size, first resample."""
    return lambda wildcards: [
        pattern.format(target=wildcards.target, source=source, size=max(TARGETS[wildcards.target]["sizes"]), resample=1)
        for source in SOURCES
    ]


def shown_tests(wildcards):
    """The scans tested by the runs that the examples show."""
    return SPLITS[wildcards.target, max(TARGETS[wildcards.target]["sizes"]), 1].test


def shown_slices(pattern):
    """Input function: the files with the slices of the scans tested by the runs that the examples show."""
    return lambda wildcards: parts_with(pattern, wildcards.target, shown_tests(wildcards))


rule draw_examples:
    input:
        metrics=shown_run(METRICS),
        predictions=shown_run(PREDICTIONS),
        index=shown_slices(PART_INDEX),
        images=shown_slices(SLICES["image"]),
        labels=shown_slices(SLICES["target"]),
    output:
        in_report("examples_{target}", "examples", "1 Answer", figure="examples: {target}"),
    log:
        f"{RESULTS}/logs/draw_examples/{{target}}.log",
    params:
        code=code_of("draw_examples"),
        scans=lambda wildcards: list(shown_tests(wildcards)),
        sources=SOURCES,
        classes=lambda wildcards: ["background", *TARGETS[wildcards.target]["classes"]],
        metric=lambda wildcards: TARGETS[wildcards.target]["metric"],
    script:
        "../workflow_scripts/draw_examples.py"


rule draw_training:
    input:
        training=expand(rules.pretrain_source.output.training, source=SOURCES),
        facts=expand(rules.pretrain_source.output.model, source=SOURCES),
    output:
        in_report("pretraining", "pretraining", "2 Training", figure="pre-training"),
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
        facts=rules.pretrain_source.output.model,
    output:
        in_report("pretraining_{source}", "source", "2 Training", figure="examples: {source}"),
    log:
        f"{RESULTS}/logs/draw_source/{{source}}.log",
    params:
        code=code_of("draw_source"),
    script:
        "../workflow_scripts/draw_source.py"


rule tabulate_participants:
    input:
        expand(rules.describe_derivatives.output.participants, dataset=SCANS),
    output:
        table=report(
            f"{RESULTS}/tables/participants.tsv",
            caption="../rules/report/participants.rst",
            category="3 Quality control",
            labels={"table": "participants"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_participants.log",
    params:
        code=code_of("tabulate_participants"),
        datasets=list(SCANS),
    script:
        "../workflow_scripts/tabulate_participants.py"


rule tabulate_truth:
    input:
        over_parts(rules.compare_truth.output[0], "check", *PHANTOMS),
    output:
        table=report(
            f"{RESULTS}/tables/truth.tsv",
            caption="../rules/report/truth.rst",
            category="3 Quality control",
            labels={"table": "against exact truth"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_truth.log",
    params:
        code=code_of("tabulate_truth"),
    script:
        "../workflow_scripts/tabulate_truth.py"


rule draw_truth:
    input:
        rules.tabulate_truth.output,
    output:
        in_report("truth", "truth", "3 Quality control", figure="against exact truth"),
    log:
        f"{RESULTS}/logs/draw_truth.log",
    params:
        code=code_of("draw_truth"),
    script:
        "../workflow_scripts/draw_truth.py"


rule report:
    input:
        rules.datasets.input,
        rules.register.input,
        rules.label.input,
        rules.slice.input,
        rules.pretrain.input,
        rules.finetune.input,
        rules.evaluate.input,
        rules.draw_scores.output,
        expand(rules.draw_examples.output, target=TARGETS),
        rules.draw_training.output,
        expand(rules.draw_source.output, source=[source for source in SOURCES if learnt_from(source)]),
        rules.tabulate_participants.output,
        rules.tabulate_quality.output,
        rules.draw_truth.output if PHANTOMS else [],
