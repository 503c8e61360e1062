# The provenance of a study in one file: code, packages, configuration, seeds, and every input and output file.
# `make verify` compares it with the present state.

PLACES = record.Places(RESULTS, DATA)
LISTED = [name for name in NATURAL if NATURAL[name]]


def study_outputs():
    """The results proper: tables, encoders and fine-tuned models with their metadata, and splits."""
    kept = tuple(f"{RESULTS}/{folder}/" for folder in ("tables", "pretrain", "finetune"))
    named = [str(path) for path in rules.report.input if str(path).startswith(kept)]
    splits_drawn = [SPLIT.format(target=target, size=size, resample=resample) for target, size, resample in SPLITS]
    ground_truth = rules.tabulate_ground_truth.output if PHANTOMS else []
    return list(dict.fromkeys([*named, *ground_truth, *run_paths(MODEL_METADATA), *splits_drawn]))


def other_inputs():
    """Input files that checks of scans do not cover: external weights, and lesions that only registration reads."""
    given = list(dict.fromkeys(map(str, WEIGHTS.values())))
    masked = [name for name in SCANS if name not in LABELLED and config["datasets"][name]["mask_lesions"]]
    lesions = [str(path) for name in masked for scan in SCANS[name].values() for path in scan.target]
    return given + lesions + headers_of(*lesions)


def all_seeds():
    """Every seed of the study, by purpose; purposes that it does not have are left out."""
    repeats = range(2, max(source.repeats for source in SOURCES.values()) + 1)
    person = lambda dataset, subject: seeds.seed_for(config["seed"], "person", dataset, subject)
    pictures = lambda dataset: seeds.seed_for(config["seed"], "pictures" if NATURAL[dataset] else "scenes", dataset)
    of_purposes = {
        "pretrain_repeats": {number: pretraining_seed(number) for number in repeats},
        "people": {name: {subject: person(name, subject) for subject in SCANS[name]} for name in PHANTOMS},
        "heads": {name: {head: head_seed(name, head) for head in heads} for name, heads in DRAWN_HEADS.items()},
        "pictures": {name: pictures(name) for name in NATURAL},
        "labeller": {"training": LABELLER_SEED} if LEARN else {},
        "tune": {name: [tuning_seed(name, draw) for draw, _ in enumerate(draws)] for name, draws in TUNING.items()},
        "finetune": {
            f"{target}/size-{size}_resample-{resample}": finetuning_seed(target, size, resample)
            for target, size, resample in SPLITS
            if size
        },
    }
    always = {"study": config["seed"], "pretrain": pretraining_seed(1), "bootstrap": BOOTSTRAP_SEED}
    return always | {purpose: found for purpose, found in of_purposes.items() if found}


rule write_provenance:
    input:
        records=[*CHECKED, *(path for name in TARGETS for path in external_paths(EXTERNAL_CHECKED, name))],
        others=other_inputs(),
        pictures=expand(rules.list_pictures.output, dataset=LISTED),
        outputs=study_outputs(),
        # Slices that no source of the study uses are listed as well.
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
