# Stage 1, datasets: the template, the study's synthetic subjects if it has any, and checks of every scan.


rule prepare_template:
    output:
        TEMPLATE,
    log:
        f"{RESULTS}/logs/prepare_template.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare_template.tsv"
    threads: config["label"]["threads"]
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        code=code_of("prepare_template"),
        atlases=config["label"]["atlases"],
    script:
        "../workflow_scripts/prepare_template.py"


# Those of a subject that do not depend on its images.
SUBJECT = recipe.subject_paths(f"{RESULTS}/datasets/{{dataset}}", "{subject}")
# The images of synthetic subjects, each with the names of its datasets.
PHANTOM_IMAGES = {(T1W,): [], (T1W, "FLAIR"): []}
for name in PHANTOMS:
    PHANTOM_IMAGES.setdefault(tuple(image_names(config["datasets"][name])), []).append(name)


def maker_of(images):
    """The name of the rule that makes synthetic subjects with these images."""
    first, *second = images
    return "_with_".join([named_after(first, "make_subject"), *second]).lower()


for images, names in PHANTOM_IMAGES.items():

    rule:
        name:
            maker_of(images)
        input:
            template=A_TEMPLATE,
        output:
            **recipe.subject_paths(f"{RESULTS}/datasets/{{dataset}}", "{subject}", images),
        log:
            f"{RESULTS}/logs/{maker_of(images)}/{{dataset}}/sub-{{subject}}.log",
        wildcard_constraints:
            dataset="|".join(names) or "(?!)",
        resources:
            mem_mb=per_attempt(3000),
            runtime=per_attempt(10),
        params:
            code=code_of("make_subject"),
            folder=lambda wildcards: f"{RESULTS}/datasets/{wildcards.dataset}",
            entry=lambda wildcards: config["datasets"][wildcards.dataset],
            seed=lambda wildcards: seeds.seed_for(config["seed"], "person", wildcards.dataset, wildcards.subject),
        script:
            "../workflow_scripts/make_subject.py"


rule describe_subjects:
    output:
        description=f"{RESULTS}/datasets/{{dataset}}/dataset_description.json",
        participants=f"{RESULTS}/datasets/{{dataset}}/participants.tsv",
        columns=f"{RESULTS}/datasets/{{dataset}}/participants.json",
        readme=f"{RESULTS}/datasets/{{dataset}}/README",
        ground_truth=f"{RESULTS}/datasets/{{dataset}}/derivatives/ground_truth/dataset_description.json",
        ignore=f"{RESULTS}/datasets/{{dataset}}/derivatives/ground_truth/.bidsignore",
    log:
        f"{RESULTS}/logs/describe_subjects/{{dataset}}.log",
    localrule: True
    params:
        code=code_of("describe_subjects"),
        folder=lambda wildcards: f"{RESULTS}/datasets/{wildcards.dataset}",
        entry=lambda wildcards: config["datasets"][wildcards.dataset],
        seeds=lambda wildcards: {
            subject: seeds.seed_for(config["seed"], "person", wildcards.dataset, subject)
            for subject in SCANS[wildcards.dataset]
        },
    script:
        "../workflow_scripts/describe_subjects.py"


def scans_to_check(wildcards):
    """One row per scan of a part: its images, and the labels of a target and their format."""
    labelled = wildcards.dataset in LABELLED
    return [
        {
            "dataset": scan.dataset,
            "subject": scan.subject,
            "first": str(scan.first),
            "labels": [str(path) for path in scan.target] if labelled else None,
            "label_format": label_format(scan),
            **({"images": {name: str(path) for name, path in scan.others.items()}} if scan.others else {}),
        }
        for scan in scans_of_part(wildcards, "check")
    ]


def files_to_check(wildcards):
    """The files of these rows."""
    paths = [
        path
        for row in scans_to_check(wildcards)
        for path in (row["first"], *row.get("images", {}).values(), *(row["labels"] or ()))
    ]
    return paths + headers_of(*paths)


# Several scans per job, since a check takes less time than the start of a job. No file of a scan depends on its record,
# so that a new scan does not rerun the other scans of its part: registration repairs and refuses in the same way.
rule check_scans:
    input:
        files_to_check,
    output:
        f"{RESULTS}/intake/{{dataset}}/part-{{part}}.json",
    log:
        f"{RESULTS}/logs/check_scans/{{dataset}}/part-{{part}}.log",
    # Before expensive work on other scans: problems with the data should be known early.
    priority: 3
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code_of("check_scans"),
        scans=scans_to_check,
        classes=lambda wildcards: classes_of(wildcards.dataset) if wildcards.dataset in LABELLED else {},
    script:
        "../workflow_scripts/check_scans.py"


CHECKED = part_paths(rules.check_scans.output[0], "check", *SCANS)


rule compare_scans:
    input:
        CHECKED,
    output:
        f"{RESULTS}/tables/images.tsv",
    log:
        f"{RESULTS}/logs/compare_scans.log",
    priority: 2
    localrule: True
    params:
        code=code_of("compare_scans"),
        scans=[
            {"dataset": name, "subject": subject, "person": scan.person, "role": role_of(name, subject)}
            for name in SCANS
            for subject, scan in SCANS[name].items()
        ],
        dropped=[
            {
                "dataset": scan.dataset,
                "subject": scan.subject,
                "person": scan.person,
                "role": f"datasets.{scan.dataset}: {scan.subject}, which is left out since it lacks {image}",
            }
            for scan, image in DROPPED
        ],
    script:
        "../workflow_scripts/compare_scans.py"


rule list_pictures:
    output:
        f"{RESULTS}/derivatives/{{dataset}}/pictures.tsv",
    log:
        f"{RESULTS}/logs/list_pictures/{{dataset}}.log",
    wildcard_constraints:
        dataset="|".join(name for name in NATURAL if NATURAL[name]) or "(?!)",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
    params:
        code=code_of("list_pictures"),
        folder=lambda wildcards: str(NATURAL[wildcards.dataset]),
        entry=lambda wildcards: config["datasets"][wildcards.dataset],
        seed=lambda wildcards: seeds.seed_for(config["seed"], "pictures", wildcards.dataset),
    script:
        "../workflow_scripts/list_pictures.py"


rule datasets:
    input:
        TEMPLATE,
        rules.compare_scans.output,
        expand(rules.list_pictures.output, dataset=[name for name in NATURAL if NATURAL[name]]),
        expand(rules.describe_subjects.output.description, dataset=PHANTOMS),
        [path for name in SCANS for scan in SCANS[name].values() for path in scan.images.values()],
