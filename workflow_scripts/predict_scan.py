import torch

from headstart import atlases, job, predict

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    torch.set_num_threads(snakemake.threads)
    maps = atlases.tissue_maps()
    model = predict.load(params.model, params.facts)
    made = predict.segment(snakemake.input.t1w, model, params.facts, maps, params.stop, threads=snakemake.threads)
    log.info("found: %s", made.record)
    predict.write(made, snakemake.output[0], snakemake.wildcards.subject, params.model, params.facts, maps["brain"])
