import torch

from headstart import job
from headstart.evaluate import archive
from headstart.evaluate.model import predict_scans
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.slices.neighbours import Neighbours

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    architecture = Architecture.of(params.network)
    made = {"neighbours": Neighbours(architecture.neighbours, params.neighbour_step), "precision": params.precision}
    for model, subjects, path in zip(files.models, params.scans, snakemake.output.predictions, strict=True):
        scans = dict(zip(subjects, store.find(files.index, files.images, subjects), strict=True))
        archive.write(path, predict_scans(model, architecture, params.classes, scans, **made))
