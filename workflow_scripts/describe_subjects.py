from headstart import job
from headstart.datasets import phantom
from headstart.phantom.dataset import write_dataset

with job.running(snakemake.rule, snakemake.log[0]):
    recipe = phantom.recipe(snakemake.params.entry)
    write_dataset(snakemake.params.folder, snakemake.wildcards.dataset, recipe, snakemake.params.seeds.items())
