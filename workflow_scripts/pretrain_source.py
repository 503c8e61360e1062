import torch

from headstart import job, pretrain
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.training import distributed


def parts_of(paths: list[str]) -> list[store.Slices]:
    """What may be held out: each scan in files of scans, each file of natural images."""
    if not (paths and snakemake.input.index):
        return list(paths)
    return store.find(snakemake.input.index, paths, snakemake.params.subjects)


with job.running(snakemake.rule, snakemake.log[0]):
    files, params, written = snakemake.input, snakemake.params, snakemake.output
    torch.set_num_threads(params.torch_threads)
    metadata = {"source": snakemake.wildcards.source, **params.expects}
    if params.spec is None:
        architecture = Architecture.of(params.network)
        if files.weights:
            made = pretrain.from_file(files.weights[0], params.sha256, architecture, params.seed)
        else:
            made = pretrain.scratch(architecture, params.seed)
        pretrain.save(made, written.encoder, metadata)
    else:
        description = {
            "spec": params.spec,
            "images": parts_of(files.images),
            "targets": parts_of(files.targets),
            "network": params.network,
            "training": params.training,
            "seed": params.seed,
            "held_out": params.held_out,
            "augment": params.augment,
            "encoder": written.encoder,
            "metadata": metadata,
            "identity": params.code,
            "state": params.state,
            "minutes": params.minutes,
            "resident_gb": params.resident_gb,
        }
        if params.gpus > 1:
            distributed.launch("headstart.pretrain", description, params.gpus)
        else:
            pretrain.run(description)
