import torch

from headstart import job, models
from headstart.loop import Training
from headstart.networks import Architecture
from headstart.pretrain import pretrain_segmentation, scratch
from headstart.template import TISSUES

with job.running(snakemake.rule, snakemake.log[0]):
    torch.set_num_threads(snakemake.params.torch_threads)
    architecture = Architecture.of(snakemake.params.network)
    if snakemake.wildcards.source == "scratch":
        encoder, history, facts = scratch(architecture, snakemake.params.seed)
    else:
        encoder, history, facts = pretrain_segmentation(
            snakemake.input.images,
            snakemake.input.labels,
            len(TISSUES) + 1,
            architecture,
            Training(**snakemake.params.training),
            snakemake.params.seed,
            validation_scans=snakemake.params.validation_scans,
        )
    models.save(encoder, snakemake.output.encoder, facts | snakemake.params.expects, history)
