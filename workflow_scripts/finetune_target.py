import torch

from headstart import finetune, job, tune
from headstart.networks import model_files
from headstart.networks.start import Start
from headstart.slices import store

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    settings = finetune.FinetuneSettings.of(params)
    if files.tuning:
        settings = tune.at_rate(settings, tune.chosen(files.tuning[0]))
    scans = sorted(set().union(*params.scans))
    images, labels = (store.find_images(files.index, paths, scans) for paths in (files.images, files.labels))
    decoders = files.decoders or [None] * len(files.encoders)
    repeats = [Start(*each, params.expects) for each in zip(files.encoders, decoders, strict=True)]
    hashes = [repeat.hashes() for repeat in repeats]
    training_sets, metadata = [], []
    for subjects, seed, state, repeat in zip(params.scans, params.seeds, params.states, params.repeats, strict=True):
        training_set = finetune.TrainingSet([scans.index(subject) for subject in subjects], seed)
        about = params.about | ({"source_repeat": repeat} if repeat > 1 else {})
        metadata.append(finetune.metadata(settings, training_set, images, labels, hashes[repeat - 1], about))
        training_sets.append(finetune.resumable(training_set, metadata[-1], params.code, state, params.minutes))
    starts = [repeats[repeat - 1] for repeat in params.repeats]
    tuned = finetune.finetune(starts, images, labels, training_sets, settings)
    for (model, history), about, path in zip(tuned, metadata, snakemake.output.models, strict=True):
        model_files.save(model, path, about, history)
    for training_set in training_sets:
        training_set.checkpoint.remove()
