import sys
from pathlib import Path

from headstart import job
from headstart.export import draws, tables

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params, written = snakemake.params, snakemake.output
    target = draws.Target(**params.target)
    listed = [draws.Draw(*draw) for draw in params.draws]
    folder = Path(written.draws).parent
    for draw in listed:
        draws.write(folder, target, draw)
    job.write_table(written.table, tables.draws(listed))
    job.write_text(written.scans, tables.scans(params.persons, target, listed).to_csv(index=False, lineterminator="\n"))
    job.write_text(written.script, draws.RUN_NNUNET.read_text(encoding="utf-8"))
    said = tables.next_steps(folder, target, len(params.persons), len(listed))
    log.info("%s", said)
    print(said, file=sys.stderr)
