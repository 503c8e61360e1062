import torch

from headstart import job
from headstart.finetune import Draw, finetune
from headstart.networks import model_files
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.training.checkpoint import Checkpoint, identity_of
from headstart.training.trainer import Training

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    scans = sorted(set().union(*params.scans))
    images, labels = (
        dict(zip(scans, store.find(files.index, paths, scans), strict=True)) for paths in (files.images, files.labels)
    )
    draws, metadata = [], []
    for subjects, seed, state in zip(params.scans, params.seeds, params.states, strict=True):
        metadata.append(
            {
                "kind": "segmentation",
                "source": snakemake.wildcards.source,
                "target": snakemake.wildcards.target,
                "classes": params.classes,
                "training": params.training,
                "network": params.network,
                "seed": seed,
                "data_sha256": store.fingerprint([kind[subject] for kind in (images, labels) for subject in subjects]),
                "versions": model_files.versions(),
                **params.expects,
                **params.prepared,
            }
        )
        identity = identity_of(metadata[-1], params.code, job.sha256(files.encoder))
        draws.append(
            Draw([scans.index(subject) for subject in subjects], seed, Checkpoint(state, identity, params.minutes))
        )
    tuned = finetune(
        files.encoder,
        list(images.values()),
        list(labels.values()),
        draws,
        len(params.classes),
        Architecture.of(params.network),
        Training(**params.training),
        expect=params.expects,
        together=params.together,
        resident_gb=params.resident_gb,
    )
    for (model, history), about, path in zip(tuned, metadata, snakemake.output.models, strict=True):
        model_files.save(model, path, about, history)
    for draw in draws:
        draw.checkpoint.remove()
