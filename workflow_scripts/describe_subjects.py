from headstart import job
from headstart.datasets import phantom
from headstart.phantom.dataset import write_dataset

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    write_dataset(params.folder, snakemake.wildcards.dataset, phantom.recipe(params.entry), params.seeds.items())
