import torch

from headstart import job, models, store
from headstart.label import learnt
from headstart.networks import Architecture
from headstart.resume import Keeper, identity_of
from headstart.trainer import Training

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    architecture = Architecture.of(params.network)
    facts = {
        "kind": "labeller",
        "encoder": architecture.encoder,
        "learnt_from": {"scans": params.scans, "backend": params.backend},
        "training": params.training,
        "seed": params.seed,
        "data_sha256": store.fingerprint([*files.t1w, *files.tissue, *files.structures]),
        "versions": models.versions(),
        **params.expects,
    }
    keeper = Keeper(params.state, identity_of(facts, params.code), params.minutes)
    labeller, history = learnt.learn(
        files.t1w,
        files.tissue,
        files.structures,
        architecture,
        Training(**params.training),
        params.expects["size"][0],
        params.seed,
        keeper=keeper,
    )
    models.save(labeller, snakemake.output.model, facts, history)
    keeper.remove()
