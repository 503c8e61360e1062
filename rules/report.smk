# Stage 8, report: index.html, the page to read first, and what it links to; the figures of the answer are in figures.smk.
# `make report` adds report.html, which holds all figures and tables with their captions.


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


rule tabulate_ground_truth:
    input:
        part_paths(rules.compare_ground_truth.output[0], "check", *PHANTOMS),
    output:
        table=report(
            f"{RESULTS}/tables/ground_truth.tsv",
            caption="../rules/report/ground_truth.rst",
            category="3 Quality control",
            labels={"table": "agreement with ground truth"},
        ),
    log:
        f"{RESULTS}/logs/tabulate_ground_truth.log",
    params:
        code=code_of("tabulate_ground_truth"),
    script:
        "../workflow_scripts/tabulate_ground_truth.py"


rule draw_ground_truth:
    input:
        rules.tabulate_ground_truth.output,
    output:
        figure=report_figure("ground_truth", "ground_truth", "3 Quality control", figure="agreement with ground truth"),
        numbers=f"{RESULTS}/figures/ground_truth.tsv",
    log:
        f"{RESULTS}/logs/draw_ground_truth.log",
    params:
        code=code_of("draw_ground_truth"),
    script:
        "../workflow_scripts/draw_ground_truth.py"


def methods_page(name, label):
    """A page on how the study was made."""
    page = f"{RESULTS}/methods/{name}.html"
    return report(page, caption=f"../rules/report/{name}.rst", category="4 Methods", labels={"page": label})


def labelled_by_fsl():
    """The sidecar of one scan that FSL labelled, which has FSL's version; none without labels by FSL."""
    scans = labeller_scans("train") or [(name, subject) for name in LABELS_MADE for subject in SCANS[name]]
    by_fsl = [scan for scan in scans if BACKENDS[scan[0]] == "fsl"]
    return [LABELS["sidecars"][0].format(dataset=dataset, subject=subject) for dataset, subject in by_fsl[:1]]


# Neither what differs from run to run nor the settings for predicting new scans are part of the study's results.
rule describe_study:
    input:
        participants=rules.tabulate_participants.output.table,
        labelled=labelled_by_fsl(),
        # The last of the jobs whose times are listed.
        evaluated=[rules.compare_sources.output.verdict, rules.tabulate_native.output.table],
    output:
        text=f"{RESULTS}/methods/methods.rst",
        methods=methods_page("methods", "methods text for a paper"),
        settings=f"{RESULTS}/methods/configuration.yaml",
        configuration=methods_page("configuration", "configuration"),
        tables=expand(f"{RESULTS}/methods/{{name}}.tsv", name=["runtimes", "versions"]),
        pages=[methods_page("runtimes", "run times"), methods_page("versions", "versions")],
    log:
        f"{RESULTS}/logs/describe_study.log",
    params:
        code=code_of("describe_study"),
        config={key: value for key, value in config.items() if key not in ("predict", "studies")},
        backends={name: BACKENDS[name] for name in LABELS_MADE},
        left_out=LEFT_OUT,
        overlaps=leaks.sentences(OVERLAPS),
        benchmarks=f"{RESULTS}/benchmarks",
    script:
        "../workflow_scripts/describe_study.py"


def dataset_size(name):
    """What the first page says about a dataset: whether it is synthetic, and how many images or scans it has."""
    entry = config["datasets"][name]
    behind = config["datasets"][synthetic.dataset_of_scans(name, config["datasets"]) or name]
    known = {"synthetic": behind["layout"] in ("phantom", "scenes", "synthetic")}
    if name in NATURAL:
        return known | {"images": entry["pictures"]}
    if name in HEADS:
        return known | {"heads": len(HEADS[name])}
    return known | {"scans": len(SCANS[name]), "subjects": len({scan.person for scan in SCANS[name].values()})}


def report_files(folder, suffixes):
    """The report's files in one folder of the results, as paths relative to the results."""
    within = f"{RESULTS}/{folder}"
    files = [str(path) for path in rules.report.input if os.path.dirname(path) == within]
    return [path.removeprefix(f"{RESULTS}/") for path in files if path.endswith(tuple(suffixes))]


def study_description(wildcards):
    """The study as the first page describes it, see headstart.report.answer_page."""
    pretraining = list(dict.fromkeys(source.dataset for source in SOURCES.values() if source.trained))
    return {
        "name": config["study"],
        "sources": COMPARED,
        "datasets": {name: dataset_size(name) for name in dict.fromkeys([*pretraining, *LABELLED])},
        "pretraining": pretraining,
        "overlaps": leaks.sentences(OVERLAPS),
        "targets": {
            name: {key: target[key] for key in ("dataset", "sizes", "resamples", "folds") if key in target}
            | {"tested": len(scans_tested(name))}
            | ({"images": IMAGES[name]} if IMAGES[name] != [T1W] else {})
            | ({"external": list(EXTERNAL[name])} if EXTERNAL[name] else {})
            for name, target in TARGETS.items()
        },
        "files": {
            "Methods": report_files("methods", [".html"]),
            "Tables": report_files("tables", [".html", ".tsv", ".parquet"]),
            "Figures": report_files("figures", [".png"]),
        },
    }


rule write_answer:
    input:
        rules.compare_sources.output.verdict,
        rules.tabulate_scores.output.summary,
        rules.draw_verdict.output.numbers,
        rules.tabulate_trainings.output,
        rules.tabulate_needed.output.needed,
        rules.tabulate_needed.output.backtest,
        rules.tabulate_native.output.table,
    output:
        f"{RESULTS}/index.html",
    log:
        f"{RESULTS}/logs/write_answer.log",
    params:
        code=code_of("write_answer"),
        study=study_description,
    script:
        "../workflow_scripts/write_answer.py"


rule report:
    input:
        rules.datasets.input,
        rules.register.input,
        rules.label.input,
        rules.slice.input,
        rules.pretrain.input,
        rules.finetune.input,
        rules.evaluate.input,
        rules.draw_verdict.output,
        expand(rules.draw_domains.output, target=BY_DOMAIN),
        expand(rules.draw_detection.output, target=LESIONED),
        expand(rules.tabulate_domains.output, target=[name for name in TARGETS if name not in CURVED]),
        rules.draw_scores.output,
        expand(rules.draw_pairs.output, target=TARGETS),
        expand(rules.draw_examples.output, target=TARGETS),
        rules.draw_training.output,
        expand(rules.draw_source.output, source=[name for name, source in SOURCES.items() if source.trained]),
        rules.tabulate_participants.output,
        rules.tabulate_quality.output,
        rules.tabulate_images.output if FURTHER_IMAGES else [],
        [rules.tabulate_ground_truth.output, rules.draw_ground_truth.output] if PHANTOMS else [],
        rules.describe_study.output,
        rules.write_answer.output,
