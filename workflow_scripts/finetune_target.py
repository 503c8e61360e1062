import torch

from headstart import job, models, store
from headstart.finetune import Draw, finetune
from headstart.networks import Architecture
from headstart.resume import Keeper, identity_of
from headstart.trainer import Training

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    scans = sorted(set().union(*params.scans))
    images, labels = (
        dict(zip(scans, store.find(files.index, paths, scans), strict=True)) for paths in (files.images, files.labels)
    )
    draws, facts = [], []
    for subjects, seed, state in zip(params.scans, params.seeds, params.states, strict=True):
        facts.append(
            {
                "kind": "segmentation",
                "source": snakemake.wildcards.source,
                "target": snakemake.wildcards.target,
                "classes": params.classes,
                "training": params.training,
                "network": params.network,
                "seed": seed,
                "data_sha256": store.fingerprint([kind[subject] for kind in (images, labels) for subject in subjects]),
                "versions": models.versions(),
                **params.expects,
                **params.prepared,
            }
        )
        identity = identity_of(facts[-1], params.code, job.sha256(files.encoder))
        draws.append(
            Draw([scans.index(subject) for subject in subjects], seed, Keeper(state, identity, params.minutes))
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
    for (model, history), about, path in zip(tuned, facts, snakemake.output.models, strict=True):
        models.save(model, path, about, history)
    for draw in draws:
        draw.keeper.remove()
