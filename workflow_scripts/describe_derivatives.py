from pathlib import Path

from headstart import datasets, job
from headstart.datasets import bids, people

with job.running(snakemake.rule, snakemake.log[0]):
    made = snakemake.input.get("made")
    known = people.read(Path(made).parent, {}, bids.USUAL) if made else people.People()
    job.write_json(snakemake.output.description, datasets.derivative_description(snakemake.wildcards.dataset))
    job.write_text(snakemake.output.ignore, datasets.BEYOND_BIDS)
    job.write_text(snakemake.output.participants, people.table(snakemake.params.rows, known))
