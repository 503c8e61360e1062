import torch

from headstart import job
from headstart.networks import fine_tuned
from headstart.predict import segment
from headstart.template import atlases

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    torch.set_num_threads(snakemake.threads)
    maps = atlases.tissue_maps()
    model = fine_tuned.load(params.model, params.metadata)
    paths = dict(zip(params.images, snakemake.input, strict=True))
    made = segment.segment(paths, model, params.metadata, maps, params.limits, snakemake.threads)
    log.info("result: %s", made.record)
    segment.write(made, snakemake.output[0], snakemake.wildcards.subject, params.model, params.metadata, maps["brain"])
