from dataclasses import asdict

import torch

from headstart import job, label_table, pretrain
from headstart.networks.architectures import Architecture
from headstart.networks.expected_input import ExpectedInput
from headstart.networks.external_weights import WeightFile
from headstart.slices import store
from headstart.training import distributed


def slices_of(paths: list[str]) -> list[store.Slices]:
    """What can be held out: each scan of files of scans, or each file of natural images."""
    if not (paths and snakemake.input.index):
        return list(paths)
    return store.find(snakemake.input.index, paths, snakemake.params.subjects)


def synthesised() -> dict | None:
    """How images are made of label maps; of those of scans, with the labels as they were measured."""
    measured = {"labels": [asdict(label) for label in label_table.read(files.labels)]} if files.labels else {}
    return params.synthesis and params.synthesis | measured


with job.running(snakemake.rule, snakemake.log[0]):
    files, params, encoder = snakemake.input, snakemake.params, snakemake.output.encoder
    torch.set_num_threads(params.torch_threads)
    if params.spec is None:
        architecture = Architecture.of(params.network)
        if files.weights:
            given = params.weights
            expects = given.get("expects") and ExpectedInput(*(tuple(given["expects"][key]) for key in ("mean", "std")))
            weights = WeightFile(files.weights[0], given.get("sha256"), given.get("prefix"), expects)
            made = pretrain.from_file(weights, architecture, params.seed)
        else:
            made = pretrain.scratch(architecture, params.seed)
        pretrain.save(made, encoder, snakemake.wildcards.source, params.expects)
    else:
        start = {"encoder": files.start, "decoder": files.start_decoder or None} if files.start else None
        description = {
            "images": slices_of(files.images),
            "targets": slices_of(files.targets),
            "start": start,
            "spec": params.spec,
            "network": params.network,
            "training": params.training,
            "seed": params.seed,
            "held_out": params.held_out,
            "augment": params.augment,
            "synthesis": synthesised(),
            "origin": params.origin,
            "resident_gb": params.resident_gb,
            "state": params.state,
            "minutes": params.minutes,
            "identity": params.code,
            "encoder": encoder,
            "source": snakemake.wildcards.source,
            "expects": params.expects,
            "about": params.about,
        }
        if params.gpus > 1:
            distributed.launch("headstart.pretrain", description, params.gpus)
        else:
            pretrain.run(description)
