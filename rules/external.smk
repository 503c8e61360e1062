# Stage 7, evaluate: masks that were made elsewhere, checked and brought to the form of this study's predictions.

EXTERNAL_CHECKED = f"{RESULTS}/evaluate/{{target}}/{{source}}/checked.json"


def external_paths(pattern, target):
    """A pattern with target and source filled in for each competitor of a target from elsewhere."""
    return expand(pattern, target=target, source=EXTERNAL[target])


def external_values(target, name):
    """The values of each of a target's classes in the masks of a competitor; None: 1, 2, ..."""
    values = EXTERNAL[target][name].values
    return values and [consistency.label_values(values[title]) for title in TARGETS[target]["classes"]]


def masks_by_scan(wildcards):
    """Each scan that a target tests, with its masks by one competitor."""
    found = {}
    for of_draw in EXTERNAL[wildcards.target][wildcards.source].masks.values():
        for subject, path in of_draw.items():
            found.setdefault(subject, {})[str(path)] = None
    scans = SCANS[TARGETS[wildcards.target]["dataset"]]
    return [(scans[subject], list(paths)) for subject, paths in found.items()]


def masks_by_run(wildcards):
    """What scripts need of each competitor of a target at one set size: its masks by resample and scan, and values."""
    target, size = wildcards.target, int(wildcards.size)
    return {
        name: {
            "masks": {
                resample: {scan: str(path) for scan, path in external.masks[size, resample].items()}
                for resample in resamples_of(target, size)
            },
            "values": external_values(target, name),
        }
        for name, external in (EXTERNAL[target] if size else {}).items()
    }


def masks_of(wildcards):
    """All masks of a target at one set size."""
    of_runs = (each for external in masks_by_run(wildcards).values() for each in external["masks"].values())
    return list(dict.fromkeys(path for of_run in of_runs for path in of_run.values()))


rule check_external:
    input:
        masks=lambda wildcards: EXTERNAL[wildcards.target][wildcards.source].files,
        first=lambda wildcards: [scan.first for scan, _ in masks_by_scan(wildcards)],
        labels=lambda wildcards: [path for scan, _ in masks_by_scan(wildcards) for path in scan.target],
        headers=lambda wildcards: headers_of(
            *EXTERNAL[wildcards.target][wildcards.source].files,
            *(path for scan, _ in masks_by_scan(wildcards) for path in (scan.first, *scan.target)),
        ),
    output:
        EXTERNAL_CHECKED,
    log:
        f"{RESULTS}/logs/check_external/{{target}}/{{source}}.log",
    # Before expensive work, as check_scans.
    priority: 3
    resources:
        mem_mb=3000,
        runtime=per_attempt(120),
    params:
        code=code_of("check_external"),
        key=lambda wildcards: f"targets.{wildcards.target}.external.{wildcards.source}",
        masks=lambda wildcards: [paths for _, paths in masks_by_scan(wildcards)],
        label_files=lambda wildcards: [(len(scan.target), label_format(scan)) for scan, _ in masks_by_scan(wildcards)],
        classes=lambda wildcards: classes_of(TARGETS[wildcards.target]["dataset"]),
        values=lambda wildcards: external_values(wildcards.target, wildcards.source),
        voxel_mm=config["template"]["voxel_mm"],
    script:
        "../workflow_scripts/check_external.py"


# All competitors of a target and set size in one job, as for models.
for name in (name for name, listed in EXTERNAL.items() if listed):

    rule:
        name:
            f"carry_external_{name}"
        input:
            masks=masks_of,
            checked=external_paths(EXTERNAL_CHECKED, name),
            index=drawn_slices(PART_INDEX, "test"),
            labels=drawn_slices(SLICES["target"], "test"),
            first=firsts_tested,
            transforms=transforms_tested,
        output:
            predictions=[
                path
                for source in EXTERNAL[name]
                for path in expand(PREDICTIONS, source=source, resample=resamples_of(name, 1), allow_missing=True)
            ],
        log:
            f"{RESULTS}/logs/carry_external/{{target}}/size-{{size}}.log",
        wildcard_constraints:
            target=name,
            size=r"[1-9]\d*",
        resources:
            mem_mb=per_attempt(3000),
            runtime=per_attempt(120),
        params:
            code=code_of("carry_external"),
            runs=[(source, resample) for source in EXTERNAL[name] for resample in resamples_of(name, 1)],
            external=masks_by_run,
            tested=scans_scored,
            classes=lambda wildcards: len(TARGETS[wildcards.target]["classes"]),
            size=config["slice"]["size"],
            discard_mm=lambda wildcards: config["datasets"][TARGETS[wildcards.target]["dataset"]]["discard_mm"],
            voxel_mm=config["template"]["voxel_mm"],
        script:
            "../workflow_scripts/carry_external.py"
