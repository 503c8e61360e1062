import torch

from headstart import job, models, store
from headstart.finetune import finetune
from headstart.loop import Training
from headstart.networks import Architecture

with job.running(snakemake.rule, snakemake.log[0]):
    torch.set_num_threads(snakemake.params.torch_threads)
    architecture = Architecture.of(snakemake.params.network)
    model, history = finetune(
        snakemake.input.encoder,
        snakemake.input.images,
        snakemake.input.labels,
        len(snakemake.params.classes),
        architecture,
        Training(**snakemake.params.training),
        snakemake.params.seed,
        expect=snakemake.params.expects,
    )
    facts = {
        "kind": "segmentation",
        "source": snakemake.wildcards.source,
        "target": snakemake.wildcards.target,
        "classes": snakemake.params.classes,
        "training": snakemake.params.training,
        "network": snakemake.params.network,
        "seed": snakemake.params.seed,
        "data_sha256": store.fingerprint([*snakemake.input.images, *snakemake.input.labels]),
        "versions": models.versions(),
        **snakemake.params.expects,
    }
    models.save(model, snakemake.output.model, facts, history)
