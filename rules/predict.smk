# Predict, outside the pipeline: a finished model segments new scans. The model is a parameter and not an input, so that
# Snakemake never trains it for a prediction; no rule here needs any file of the study.

import functools

from headstart.predict import request

PREDICT_HOME, PREDICT_NAME = request.output_place(config["predict"], RESULTS)
PREDICTED = f"{PREDICT_HOME}/predict/{PREDICT_NAME}"
PREDICT_LOGS = f"{PREDICT_HOME}/logs/predict/{PREDICT_NAME}"


@functools.cache
def requested():
    """The model and the new scans, read only when a prediction is asked for; an error ends the run in one sentence."""
    try:
        return request.read_request(config["predict"])
    except job.UserError as error:
        # Snakemake would add a traceback to the error of an input function.
        sys.exit(f"headstart: predict: {error}")


rule predict_scan:
    input:
        lambda wildcards: list(requested().scans[wildcards.subject].images.values()),
    output:
        # A folder, since a scan that failed gets a record and no mask.
        directory(f"{PREDICTED}/sub-{{subject}}"),
    log:
        f"{PREDICT_LOGS}/sub-{{subject}}.log",
    threads: config["predict"]["threads"]
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(30),
    params:
        code=code_of("predict_scan"),
        model=lambda wildcards: str(requested().weights),
        metadata=lambda wildcards: requested().metadata,
        images=lambda wildcards: list(requested().scans[wildcards.subject].images),
        limits={key: config["quality"][key] for key in ("stop", "stop_images")},
    script:
        "../workflow_scripts/predict_scan.py"


rule tabulate_predictions:
    input:
        lambda wildcards: [rules.predict_scan.output[0].format(subject=subject) for subject in requested().scans],
    output:
        table=f"{PREDICTED}/predictions.tsv",
        description=f"{PREDICTED}/dataset_description.json",
        ignore=f"{PREDICTED}/.bidsignore",
    log:
        f"{PREDICT_LOGS}/tabulate_predictions.log",
    localrule: True
    params:
        code=code_of("tabulate_predictions"),
        name=PREDICT_NAME,
        subjects=lambda wildcards: list(requested().scans),
        first=lambda wildcards: request.images_needed(requested().metadata)[0],
        stop=config["quality"]["stop"],
        outlier=config["quality"]["outlier"],
    script:
        "../workflow_scripts/tabulate_predictions.py"


# A rule of its own, so that the table is there even if scans failed.
rule gate_predictions:
    input:
        rules.tabulate_predictions.output.table,
    output:
        f"{PREDICT_LOGS}/passed.txt",
    log:
        f"{PREDICT_LOGS}/gate_predictions.log",
    localrule: True
    params:
        code=code_of("gate_predictions"),
    script:
        "../workflow_scripts/gate_predictions.py"


rule predict:
    input:
        rules.gate_predictions.output,
