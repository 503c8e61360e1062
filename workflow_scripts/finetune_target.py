import torch

from headstart import job, models, store
from headstart.finetune import finetune
from headstart.loop import Training
from headstart.networks import Architecture

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    for subjects, seed, path in zip(params.scans, params.seeds, snakemake.output.models, strict=True):
        images, labels = (store.find(files.index, paths, subjects) for paths in (files.images, files.labels))
        model, history = finetune(
            files.encoder,
            images,
            labels,
            len(params.classes),
            Architecture.of(params.network),
            Training(**params.training),
            seed,
            expect=params.expects,
        )
        facts = {
            "kind": "segmentation",
            "source": snakemake.wildcards.source,
            "target": snakemake.wildcards.target,
            "classes": params.classes,
            "training": params.training,
            "network": params.network,
            "seed": seed,
            "data_sha256": store.fingerprint([*images, *labels]),
            "versions": models.versions(),
            **params.expects,
            **params.prepared,
        }
        models.save(model, path, facts, history)
