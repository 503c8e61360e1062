# Stage 1, datasets: the template, made-up people where the study asks for them, and a look at every scan.


rule prepare_template:
    output:
        TEMPLATE,
    log:
        f"{RESULTS}/logs/prepare_template.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare_template.tsv"
    threads: config["label"]["threads"]
    resources:
        mem_mb=grown(4000),
        runtime=grown(20),
    params:
        code=code_of("prepare_template"),
        atlases=config["label"]["atlases"],
    script:
        "../workflow_scripts/prepare_template.py"


PERSON = headstart_datasets.person_paths(f"{RESULTS}/datasets/{{dataset}}", "{subject}")


rule make_person:
    input:
        template=A_TEMPLATE,
    output:
        **PERSON,
    log:
        f"{RESULTS}/logs/make_person/{{dataset}}/sub-{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_person/{{dataset}}/sub-{{subject}}.tsv"
    resources:
        mem_mb=grown(3000),
        runtime=grown(10),
    params:
        code=code_of("make_person"),
        folder=lambda wildcards: f"{RESULTS}/datasets/{wildcards.dataset}",
        entry=lambda wildcards: config["datasets"][wildcards.dataset],
        seed=lambda wildcards: seeds.seed_for(config["seed"], "person", wildcards.dataset, wildcards.subject),
    script:
        "../workflow_scripts/make_person.py"


rule describe_people:
    output:
        description=f"{RESULTS}/datasets/{{dataset}}/dataset_description.json",
        participants=f"{RESULTS}/datasets/{{dataset}}/participants.tsv",
        columns=f"{RESULTS}/datasets/{{dataset}}/participants.json",
        readme=f"{RESULTS}/datasets/{{dataset}}/README",
        truth=f"{RESULTS}/datasets/{{dataset}}/derivatives/truth/dataset_description.json",
        ignore=f"{RESULTS}/datasets/{{dataset}}/derivatives/truth/.bidsignore",
    log:
        f"{RESULTS}/logs/describe_people/{{dataset}}.log",
    localrule: True
    params:
        code=code_of("describe_people"),
        folder=lambda wildcards: f"{RESULTS}/datasets/{wildcards.dataset}",
        entry=lambda wildcards: config["datasets"][wildcards.dataset],
        seeds=lambda wildcards: {
            subject: seeds.seed_for(config["seed"], "person", wildcards.dataset, subject)
            for subject in SCANS[wildcards.dataset]
        },
    script:
        "../workflow_scripts/describe_people.py"


rule check_scan:
    input:
        lambda wildcards: scan_of(wildcards).t1w,
    output:
        f"{DERIVED}_desc-intake_T1w.json",
    log:
        f"{RESULTS}/logs/check_scan/{{dataset}}/sub-{{subject}}.log",
    # Before costlier work on other scans: what is wrong with the data should be known soon.
    priority: 3
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        code=code_of("check_scan"),
    script:
        "../workflow_scripts/check_scan.py"


rule check_labels:
    input:
        t1w=lambda wildcards: scan_of(wildcards).t1w,
        labels=lambda wildcards: scan_of(wildcards).target,
    output:
        f"{DERIVED}_desc-intake_dseg.json",
    log:
        f"{RESULTS}/logs/check_labels/{{dataset}}/sub-{{subject}}.log",
    priority: 3
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        code=code_of("check_labels"),
        classes=lambda wildcards: classes_of(wildcards.dataset),
        masks=masks_of,
    script:
        "../workflow_scripts/check_labels.py"


rule compare_scans:
    input:
        over_scans(rules.check_scan.output[0], *SCANS),
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
        mem_mb=grown(4000),
        runtime=grown(120),
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
        over_scans(rules.check_labels.output[0], *LABELLED),
        expand(rules.list_pictures.output, dataset=[name for name in NATURAL if NATURAL[name]]),
        expand(rules.describe_people.output.description, dataset=PHANTOMS),
        [scan.t1w for name in SCANS for scan in SCANS[name].values()],
