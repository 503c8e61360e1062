from pathlib import Path

from headstart import datasets, job, template
from headstart.phantom.dataset import write_person
from headstart.phantom.person import make_person

with job.running(snakemake.rule, snakemake.log[0]):
    anatomy = template.load(Path(snakemake.input.template).parent)
    person = make_person(anatomy, datasets.phantom_recipe(snakemake.params.entry), snakemake.params.seed)
    write_person(person, snakemake.params.folder, snakemake.wildcards.subject)
