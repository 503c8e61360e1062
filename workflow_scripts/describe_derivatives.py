from pathlib import Path

from headstart import job
from headstart.datasets import bids, derivatives, participants

with job.running(snakemake.rule, snakemake.log[0]):
    made = snakemake.input.get("made")
    known = participants.read(Path(made).parent, {}, bids.USUAL) if made else participants.People()
    job.write_json(snakemake.output.description, derivatives.derivative_description(snakemake.wildcards.dataset))
    job.write_text(snakemake.output.ignore, derivatives.BEYOND_BIDS)
    job.write_text(snakemake.output.participants, participants.table(snakemake.params.rows, known))
