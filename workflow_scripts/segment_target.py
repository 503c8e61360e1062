import torch

from headstart import job
from headstart.evaluate import archive
from headstart.evaluate.model import predict_scans
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.slices.channels import Channels

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    architecture = Architecture.of(params.network)
    channels = Channels(architecture.images, architecture.neighbours, params.neighbour_step)
    for model, subjects, path in zip(files.models, params.scans, snakemake.output.predictions, strict=True):
        found = store.find_images(files.index, files.images, subjects)
        scans = {subject: found[number :: len(subjects)] for number, subject in enumerate(subjects)}
        archive.write(
            path,
            predict_scans(model, architecture, params.classes, scans, channels=channels, precision=params.precision),
        )
