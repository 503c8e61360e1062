from pathlib import Path

import torch

from headstart import job
from headstart.publish import card, pack
from headstart.publish.choice import Choice

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    torch.set_num_threads(snakemake.threads)
    chosen = Choice(**params.choice)
    pack.pack(Path(snakemake.output[0]).parent, chosen, card.Study(**params.study))
    log.info("%s, resample %d of %d scans: %s", chosen.name, chosen.resample, chosen.size, chosen.reason)
