import pandas as pd
import torch

from headstart import finetune, job, tune
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.training.augment import augmentation
from headstart.training.settings import TrainingSettings

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    settings = finetune.FinetuneSettings(
        architecture=Architecture.of(params.network),
        training=TrainingSettings(**params.training),
        classes=params.classes,
        expects=params.expects,
        augment=augmentation(params.augment) if params.augment else None,
        runs_per_gpu=params.runs_per_gpu,
        resident_gb=params.resident_gb,
    )
    scans = sorted(set().union(*params.train, *params.held_out))
    images, labels = (store.find(files.index, paths, scans) for paths in (files.images, files.labels))
    draws = [
        (finetune.TrainingSet(list(map(scans.index, train)), seed), list(map(scans.index, held_out)))
        for train, held_out, seed in zip(params.train, params.held_out, params.seeds, strict=True)
    ]
    rows = tune.tries(
        files.encoder,
        images,
        labels,
        draws,
        params.learning_rates,
        settings,
        decoder_path=files.decoder or None,
    )
    table = tune.summary(pd.DataFrame(rows))
    job.write_table(snakemake.output[0], table)
