# What the study's results were made from, in one file: code, packages, configuration, seeds, and each file that went in
# and came out. `make verify` compares it with what is there.

PLACES = record.Places(RESULTS, DATA)
LISTED = [name for name in NATURAL if NATURAL[name]]


def study_outputs():
    """What counts of the results: tables, encoders and fine-tuned models with what they say of themselves, splits."""
    kept = tuple(f"{RESULTS}/{folder}/" for folder in ("tables", "pretrain", "finetune"))
    named = [str(path) for path in rules.report.input if str(path).startswith(kept)]
    splits_drawn = [SPLIT.format(target=target, size=size, resample=resample) for target, size, resample in SPLITS]
    truths = rules.tabulate_ground_truth.output if PHANTOMS else []
    return list(dict.fromkeys([*named, *truths, *run_paths(MODEL_METADATA), *splits_drawn]))


def other_inputs():
    """Files that went in and that no look at scans covers: given weights, and lesions that only registration reads."""
    given = [str(WEIGHTS)] if "imagenet-classification" in SOURCES else []
    masked = [name for name in SCANS if name not in LABELLED and config["datasets"][name]["mask_lesions"]]
    return given + [str(path) for name in masked for scan in SCANS[name].values() for path in scan.target]


def all_seeds():
    """Every seed of the study, by what it is for."""
    drawn_for = lambda *what: seeds.seed_for(config["seed"], *what)
    return {
        "study": config["seed"],
        "pretrain": drawn_for("pretrain"),
        "bootstrap": drawn_for("bootstrap"),
        "people": {name: {subject: drawn_for("person", name, subject) for subject in SCANS[name]} for name in PHANTOMS},
        "pictures": {name: drawn_for("pictures" if NATURAL[name] else "scenes", name) for name in NATURAL},
        "finetune": {
            f"{target}/size-{size}_resample-{resample}": drawn_for("finetune", target, str(size), str(resample))
            for target, size, resample in SPLITS
        },
    }


rule write_provenance:
    input:
        records=CHECKED,
        others=other_inputs(),
        pictures=expand(rules.list_pictures.output, dataset=LISTED),
        outputs=study_outputs(),
        # Sliced for no source that the study has: listed nevertheless.
        slices=rules.slice.input,
    output:
        f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/write_provenance.log",
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(240),
    params:
        code=code_of("write_provenance"),
        study=RESULTS,
        data=DATA,
        natural=LISTED,
        planned=record.planned(workflow.basedir, PLACES, config, all_seeds()),
    script:
        "../workflow_scripts/write_provenance.py"
