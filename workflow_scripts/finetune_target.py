import dataclasses

import torch

from headstart import finetune, job
from headstart.networks import model_files
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.training.checkpoint import Checkpoint, identity_of
from headstart.training.trainer import TrainingSettings

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    settings = finetune.FinetuneSettings(
        architecture=Architecture.of(params.network),
        training=TrainingSettings(**params.training),
        classes=params.classes,
        expects=params.expects,
        runs_per_gpu=params.runs_per_gpu,
        resident_gb=params.resident_gb,
    )
    scans = sorted(set().union(*params.scans))
    images, labels = (store.find(files.index, paths, scans) for paths in (files.images, files.labels))
    training_sets, metadata = [], []
    for subjects, seed, state in zip(params.scans, params.seeds, params.states, strict=True):
        training_set = finetune.TrainingSet([scans.index(subject) for subject in subjects], seed)
        metadata.append(finetune.metadata(settings, training_set, images, labels, params.about))
        identity = identity_of(metadata[-1], params.code, job.sha256(files.encoder))
        training_sets.append(dataclasses.replace(training_set, checkpoint=Checkpoint(state, identity, params.minutes)))
    tuned = finetune.finetune(files.encoder, images, labels, training_sets, settings)
    for (model, history), about, path in zip(tuned, metadata, snakemake.output.models, strict=True):
        model_files.save(model, path, about, history)
    for training_set in training_sets:
        training_set.checkpoint.remove()
