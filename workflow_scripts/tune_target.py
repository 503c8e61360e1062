import itertools

import pandas as pd
import torch

from headstart import finetune, job, tune
from headstart.networks.start import Start
from headstart.slices import store

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    settings = finetune.FinetuneSettings.of(params)
    scans = sorted(set().union(*params.train, *params.held_out))
    images, labels = (store.find_images(files.index, paths, scans) for paths in (files.images, files.labels))
    start = Start(files.encoder[0], files.decoder[0] if files.decoder else None, params.expects)
    hashes = start.hashes()

    def draws(rate: float, states: list[str]) -> list[tune.Draw]:
        """Training and validation set of each draw, with a checkpoint at this rate."""
        made = []
        for train, held_out, seed, state in zip(params.train, params.held_out, params.seeds, states, strict=True):
            training_set = finetune.TrainingSet(list(map(scans.index, train)), seed)
            about = finetune.metadata(tune.at_rate(settings, rate), training_set, images, labels, hashes, {})
            training_set = finetune.resumable(training_set, about, params.code, state, params.minutes)
            made.append((training_set, list(map(scans.index, held_out))))
        return made

    tried = {rate: draws(rate, states) for rate, states in zip(params.learning_rates, params.states, strict=True)}
    rows = tune.tries(start, images, labels, tried, settings, params.metric)
    job.write_table(snakemake.output[0], tune.summary(pd.DataFrame(rows)))
    for training_set, _ in itertools.chain.from_iterable(tried.values()):
        training_set.checkpoint.remove()
