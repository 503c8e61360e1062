# Stage 8, report: the figures of the answer, and the table that stands for one where there is no learning curve.


# Subcategories of the report's first part, which lists them in this order.
VERDICT, FIGURES = "1 Verdict", "2 Figures"
# Scores at several set sizes are a learning curve, those at a single one a table.
CURVED = [name for name, target in TARGETS.items() if len(target["sizes"]) > 1]
BY_DOMAIN = [name for name in TARGETS if name in CURVED or name in LESIONED]


rule draw_verdict:
    input:
        rules.compare_sources.output.verdict,
        rules.compare_sources.output.comparisons,
        rules.compare_sources.output.saved,
    output:
        figure=report_figure("verdict", "verdict_figure", "1 Answer", VERDICT, figure="verdict"),
        numbers=f"{RESULTS}/figures/verdict.tsv",
    log:
        f"{RESULTS}/logs/draw_verdict.log",
    params:
        code=code_of("draw_verdict"),
        sources=COMPARED,
    script:
        "../workflow_scripts/draw_verdict.py"


rule draw_domains:
    input:
        summary=rules.tabulate_scores.output.summary,
        detection=lambda wildcards: ([rules.tabulate_detection.output.table] if wildcards.target in LESIONED else []),
    output:
        figure=report_figure("domains_{target}", "domains", "1 Answer", FIGURES, figure="by domain: {target}"),
        numbers=f"{RESULTS}/figures/domains_{{target}}.tsv",
    log:
        f"{RESULTS}/logs/draw_domains/{{target}}.log",
    params:
        code=code_of("draw_domains"),
        sources=COMPARED,
    script:
        "../workflow_scripts/draw_domains.py"


rule draw_detection:
    input:
        detection=rules.tabulate_detection.output.table,
    output:
        figure=report_figure(
            "detection_{target}", "detection_figure", "1 Answer", FIGURES, figure="lesion detection: {target}"
        ),
        numbers=f"{RESULTS}/figures/detection_{{target}}.tsv",
    log:
        f"{RESULTS}/logs/draw_detection/{{target}}.log",
    params:
        code=code_of("draw_detection"),
        sources=COMPARED,
    script:
        "../workflow_scripts/draw_detection.py"


rule tabulate_domains:
    input:
        rules.tabulate_scores.output.summary,
    output:
        table=f"{RESULTS}/tables/domains_{{target}}.tsv",
        page=report(
            f"{RESULTS}/tables/domains_{{target}}.html",
            caption="../rules/report/domains_table.rst",
            category="1 Answer",
            subcategory="3 Tables",
            labels={"table": "by domain: {target}"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_domains/{{target}}.log",
    params:
        code=code_of("tabulate_domains"),
        sources=COMPARED,
        paper=lambda wildcards: TARGETS[wildcards.target]["paper"],
    script:
        "../workflow_scripts/tabulate_domains.py"


rule draw_pairs:
    input:
        scans=rules.tabulate_scores.output.scans,
    output:
        figure=report_figure(
            "pairs_{target}", "pairs", "1 Answer", FIGURES, figure="each test scan against scratch: {target}"
        ),
        numbers=f"{RESULTS}/figures/pairs_{{target}}.tsv",
    log:
        f"{RESULTS}/logs/draw_pairs/{{target}}.log",
    params:
        code=code_of("draw_pairs"),
        sources=COMPARED,
        metric=lambda wildcards: TARGETS[wildcards.target]["metric"],
    script:
        "../workflow_scripts/draw_pairs.py"


rule draw_scores:
    input:
        scores=rules.tabulate_scores.output.scores,
        summary=rules.tabulate_scores.output.summary,
        verdict=rules.compare_sources.output.verdict,
    output:
        figure=report_figure("scores", "scores", "1 Answer", FIGURES, figure="learning curves: score against set size"),
        numbers=f"{RESULTS}/figures/scores.tsv",
    log:
        f"{RESULTS}/logs/draw_scores.log",
    params:
        code=code_of("draw_scores"),
        sources=COMPARED,
    script:
        "../workflow_scripts/draw_scores.py"


def shown_run(pattern):
    """Input function: a file of the run of each source that the examples show: largest set size, first resample."""
    return lambda wildcards: [
        pattern.format(target=wildcards.target, source=source, size=max(TARGETS[wildcards.target]["sizes"]), resample=1)
        for source in [*SOURCES, *EXTERNAL[wildcards.target]]
    ]


def shown_tests(wildcards):
    """The test scans of the runs that the examples show."""
    return SPLITS[wildcards.target, max(TARGETS[wildcards.target]["sizes"]), 1].test


def shown_slices(pattern):
    """Input function: the files with the slices of the test scans of the runs that the examples show."""
    return lambda wildcards: parts_holding(pattern, wildcards.target, shown_tests(wildcards))


def example_titles(target):
    """The titles of the images of a scan that the examples of a target show."""
    images = IMAGES[target]
    return list(map(image_word, images)) if len(images) > 1 else ["scan"]


rule draw_examples:
    input:
        metrics=shown_run(METRICS),
        predictions=shown_run(PREDICTIONS),
        index=shown_slices(PART_INDEX),
        images=every_image(shown_slices),
        labels=shown_slices(SLICES["target"]),
    output:
        figure=report_figure("examples_{target}", "examples", "1 Answer", FIGURES, figure="examples: {target}"),
        numbers=f"{RESULTS}/figures/examples_{{target}}.tsv",
    log:
        f"{RESULTS}/logs/draw_examples/{{target}}.log",
    params:
        code=code_of("draw_examples"),
        sources=lambda wildcards: [*SOURCES, *EXTERNAL[wildcards.target]],
        images=lambda wildcards: example_titles(wildcards.target),
        classes=lambda wildcards: class_names(wildcards.target),
        metric=lambda wildcards: TARGETS[wildcards.target]["metric"],
        empty=config["evaluate"]["empty"],
    script:
        "../workflow_scripts/draw_examples.py"
