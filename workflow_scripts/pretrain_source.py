from pathlib import Path

import torch

from headstart import job, models, pretrain, store
from headstart.augment import Augment
from headstart.job import UserError
from headstart.loop import DivergedError, Training
from headstart.networks import Architecture


def parts_of(paths: list[str]) -> list[store.Slices]:
    """What may be held out: each scan in files of scans, each file of natural images."""
    if not (paths and snakemake.input.index):
        return paths
    return store.find(snakemake.input.index, paths, snakemake.params.subjects)


with job.running(snakemake.rule, snakemake.log[0]):
    files, params, written = snakemake.input, snakemake.params, snakemake.output
    torch.set_num_threads(params.torch_threads)
    architecture = Architecture.of(params.network)
    source = snakemake.wildcards.source
    if source == "scratch":
        made = pretrain.scratch(architecture, params.seed)
    elif params.asked is None:
        made = pretrain.from_file(files.weights[0], params.sha256, architecture, params.seed)
    else:
        try:
            made = pretrain.pretrain(
                pretrain.Asked(**params.asked),
                *(parts_of(paths) for paths in (files.images, files.targets)),
                architecture,
                Training(**params.training),
                params.seed,
                held_out_files=params.held_out,
                augment=Augment(**params.augment) if params.augment else None,
            )
        except DivergedError as error:
            kept = Path(written.encoder).with_name("last_good.safetensors")
            models.save_weights(error.encoder, kept)
            raise UserError(f"{error} The encoder as it last was well is {kept}.") from None
    pretrain.save(made, written.encoder, {"source": source, **params.expects})
