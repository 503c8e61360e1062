from headstart import datasets, job
from headstart.phantom.dataset import write_dataset

with job.running(snakemake.rule, snakemake.log[0]):
    recipe = datasets.phantom_recipe(snakemake.params.entry)
    write_dataset(snakemake.params.folder, snakemake.wildcards.dataset, recipe, snakemake.params.seeds.items())
