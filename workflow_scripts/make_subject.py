from pathlib import Path

from headstart import job
from headstart.datasets import phantom
from headstart.phantom.dataset import write_subject
from headstart.phantom.subject import make_subject
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    anatomy = template.load(Path(snakemake.input.template).parent)
    subject = make_subject(anatomy, phantom.recipe(snakemake.params.entry), snakemake.params.seed)
    write_subject(subject, snakemake.params.folder, snakemake.wildcards.subject)
