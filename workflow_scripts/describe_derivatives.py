from pathlib import Path

from headstart import job
from headstart.datasets import bids, derivatives, participants

with job.running(snakemake.rule, snakemake.log[0]):
    synthetic = snakemake.input.get("participants")
    folder = Path(synthetic).parent if synthetic else None
    known = participants.read(folder, {}, bids.PARTICIPANTS) if folder else participants.Demographics({})
    job.write_json(snakemake.output.description, derivatives.derivative_description(snakemake.wildcards.dataset))
    job.write_text(snakemake.output.ignore, derivatives.bidsignore(snakemake.params.first))
    job.write_text(snakemake.output.participants, participants.table(snakemake.params.rows, known))
