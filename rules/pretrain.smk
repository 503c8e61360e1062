# Stage 5, pretrain: one encoder a source.


rule pretrain_source:
    input:
        images=lambda wildcards: [] if wildcards.source == "scratch" else SOURCE_IMAGES,
        labels=lambda wildcards: [] if wildcards.source == "scratch" else SOURCE_TISSUES,
    output:
        encoder=f"{RESULTS}/pretrain/{{source}}/encoder.safetensors",
        model=f"{RESULTS}/pretrain/{{source}}/model.json",
        training=f"{RESULTS}/pretrain/{{source}}/training.tsv",
    log:
        f"{RESULTS}/logs/pretrain_source/{{source}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain_source/{{source}}.tsv"
    threads: config["training"]["threads"]
    resources:
        gpu=lambda wildcards: int(wildcards.source != "scratch"),
        mem_mb=grown(8000),
        runtime=grown(1440),
    params:
        code=code_of("pretrain_source"),
        network=config["network"],
        torch_threads=config["training"]["threads"],
        training=training_of(config["pretrain"]["epochs"]),
        validation_scans=config["pretrain"]["validation_scans"],
        expects=expected_input(),
        seed=seeds.seed_for(config["seed"], "pretrain"),
    script:
        "../workflow_scripts/pretrain_source.py"


rule pretrain:
    input:
        expand(rules.pretrain_source.output, source=SOURCES),
        rules.gate_quality.output,
