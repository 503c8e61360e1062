import torch

from headstart import job, labeller
from headstart.networks import model_files
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.training.checkpoint import Checkpoint, identity_of
from headstart.training.trainer import Training

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    architecture = Architecture.of(params.network)
    metadata = {
        "kind": "labeller",
        "encoder": architecture.encoder,
        "learnt_from": {"scans": params.scans, "backend": params.backend},
        "training": params.training,
        "seed": params.seed,
        "data_sha256": store.fingerprint([*files.t1w, *files.tissue, *files.structures]),
        "versions": model_files.versions(),
        **params.expects,
    }
    checkpoint = Checkpoint(params.state, identity_of(metadata, params.code), params.minutes)
    network, history = labeller.learn(
        files.t1w,
        files.tissue,
        files.structures,
        architecture,
        Training(**params.training),
        params.expects["size"][0],
        params.seed,
        checkpoint=checkpoint,
    )
    model_files.save(network, snakemake.output.model, metadata, history)
    checkpoint.remove()
