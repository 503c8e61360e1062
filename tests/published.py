"""A finished study for tests of publishing: its tables, encoders and fine-tuned networks."""

from dataclasses import asdict

import pandas as pd
import torch
from small import PREPARATION, architecture

from headstart.job import write_table
from headstart.networks import model_files

METADATA = {
    "kind": "segmentation",
    "target": "stroke",
    "classes": ["background", "lesion"],
    "training": {"steps": 40, "epochs": None, "batch_size": 8, "learning_rate": 1e-3, "precision": "float32"},
    "augment": None,
    **PREPARATION,
    "discard_mm": {"top": 40, "bottom": 30},
    "versions": model_files.versions("resnet18"),
}
# Mean Dice of two sources over volumes, by set size: the best one differs.
MEANS = {2: {"imagenet": 0.6, "scratch": 0.5}, 4: {"imagenet": 0.7, "scratch": 0.8}}


def randomised(network):
    """A network whose norms are those of no new one, in evaluation mode."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return network.eval()


def save_tables(folder):
    """The tables of a finished study."""
    runs = [(size, source, mean) for size, of_size in MEANS.items() for source, mean in of_size.items()]
    base = [{"target": "stroke", "size": size, "metric": "dice", "source": source} for size, source, _ in runs]
    rows = [
        {**row, "level": level, "score": mean / part, "low": mean / part - 0.1, "high": mean / part + 0.1}
        for row, (_, _, mean) in zip(base, runs, strict=True)
        for level, part in (("volume", 1), ("slice", 2))
    ]
    summary = pd.DataFrame(rows).assign(resamples=2, scans=5)
    gains = summary[summary["source"] == "imagenet"].drop(columns="score")
    gains = gains.assign(baseline="scratch", gain=-0.125, low=-0.25, high=0.0625, p_adjusted=0.5, significant=False)
    scores = pd.concat([summary.assign(resample=r, score=summary["score"] + r / 100) for r in (1, 2)])
    verdict = pd.DataFrame([{"target": "stroke", "sentence": "stroke: no difference."}])
    for name, table in {"summary": summary, "gains": gains, "scores": scores, "verdict": verdict}.items():
        write_table(folder / f"tables/{name}.tsv", table)


def save_study(folder, **network):
    """A finished study with two sources on one target; returns the networks of resample 1 at size 4.

    ``network``: what differs from a U-Net of five steps.
    """
    save_tables(folder)
    networks = {}
    shape = architecture(**{"decoder": "unet"} | network)
    for seed, source in enumerate(("imagenet", "scratch")):
        encoder = shape.make_encoder(seed)
        about = {"kind": "file" if source == "imagenet" else "scratch", "source": source, "encoder": "resnet18"}
        model_files.save(encoder, folder / f"pretrain/{source}/encoder.safetensors", about | {"file": "resnet18.pth"})
        for resample in (1, 2):
            network = randomised(shape.make_segmenter(2, 10 * seed + resample))
            place = folder / f"finetune/stroke/{source}/size-4_resample-{resample}/model.safetensors"
            metadata = {**METADATA, "source": source, "network": asdict(shape)}
            model_files.save(network, place, metadata)
            networks[source, resample] = network
    return networks
