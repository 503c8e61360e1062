"""Which pre-training gives brain anatomy and lesions a head start?

    HEADSTART_DATA=~/scans snakemake slice --cores 8 --configfile studies/oasis.yaml
    snakemake slice --cores 8 --configfile studies/phantoms.yaml
    python benchmarks/head_start.py --workers 8

Every source is fine-tuned on the same training sets with the same seeds, at a learning rate of its own, chosen on scans
of no test set. ``--only`` limits the runs to those whose name it matches (a regular expression), such as
"anatomy/unet/scratch/size-2_steps-200_augmented". ``--minutes`` ends the work; run again, it goes on. On a GPU each
worker trains the draws of a run at once. Writes results/head_start/{tuning,scores}.tsv for head_start_table.py.
"""

import argparse
import multiprocessing
import re
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from head_start_runs import SOURCES, TARGETS, TISSUE_CLASSES, Run, tiers
from real_scans import default_study
from torch import nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))
from headstart import finetune, images, pretrain, seeds, settings, tune  # noqa: E402
from headstart.datasets import natural  # noqa: E402
from headstart.metrics.overlap import volume_score  # noqa: E402
from headstart.networks import model_files  # noqa: E402
from headstart.networks.architectures import Architecture  # noqa: E402
from headstart.networks.start import Start  # noqa: E402
from headstart.slices import cut, store  # noqa: E402
from headstart.template.template import STRUCTURES  # noqa: E402
from headstart.training.augment import Augmentation, augmentation  # noqa: E402
from headstart.training.loop import predict  # noqa: E402
from headstart.training.settings import TrainingSettings  # noqa: E402
from headstart.training.source_tasks import SourceTaskSpec  # noqa: E402

SEED = 2022
OUT = ROOT / "results/head_start"
RATES = (3e-4, 1e-3, 3e-3)
# Updates of each pre-training, and scans that are held out of it.
PRETRAINING_STEPS, HELD_OUT = 1000, 1


def study(name: str) -> dict:
    """The configuration of one of the two studies."""
    return settings.of_project(ROOT, ROOT / f"studies/{name}.yaml")


def architecture(network: str) -> Architecture:
    return Architecture.of(study("oasis")["network"] | {"decoder": network})


def preset(augmented: bool) -> Augmentation | None:
    """The default study's augmentation, or none."""
    return augmentation(default_study()["finetune"]["augment"]) if augmented else None


def training(steps: int, rate: float) -> TrainingSettings:
    return TrainingSettings(
        epochs=None, steps=steps, batch_size=32, learning_rate=rate, warm_up=0, encoder_factor=1, weight_decay=2e-4,
        decay_after=0.5, decay_factor=0.1, norms="reestimated", precision="auto", deterministic=True,
    )  # fmt: skip


def files(study: str, dataset: str, kind: str) -> list[Path]:
    found = sorted((ROOT / "results" / study / "slices" / dataset).glob(f"part-*_{kind}.npy"))
    if not found:
        sys.exit(f"there are no slices of {dataset}; run snakemake slice --configfile studies/{study}.yaml first")
    return found


def scans(study: str, dataset: str, kind: str) -> dict[str, store.Slices]:
    """Slices of each scan of a dataset."""
    paths = files(study, dataset, kind)
    index = [path.with_name(f"{path.name.split('_')[0]}_scans.tsv") for path in paths]
    subjects = [subject for path in index for subject in pd.read_csv(path, sep="\t", dtype=str)["subject"]]
    return dict(zip(subjects, store.find(index, paths, subjects), strict=True))


def pairs(target: str) -> dict[str, tuple[store.Slices, store.Slices]]:
    """Slices and labels of each scan of a target."""
    entry = TARGETS[target]
    found, labels = (scans(entry.study, entry.dataset, kind) for kind in ("T1w", "desc-target_dseg"))
    return {subject: (found[subject], labels[subject]) for subject in found}


def write_dense_labels() -> None:
    """Slices with tissues and, over them, the structures of the cohort: one label map of both."""
    (tissue,) = files("oasis", "cohort", "desc-tissue_dseg")
    values = {value: len(TISSUE_CLASSES) + number for number, value in enumerate(STRUCTURES)}
    lookup = np.array([values.get(value, 0) for value in range(256)], np.uint8)
    config = study("oasis")
    size, discard_mm = config["slice"]["size"], config["datasets"]["cohort"]["discard_mm"]
    parts = []
    for subject in scans("oasis", "cohort", "T1w"):
        folder = ROOT / f"results/oasis/derivatives/cohort/sub-{subject}/anat"
        (path,) = folder.glob("*_desc-subcortical_dseg.nii.gz")
        parts.append(cut.cut(images.read(path, np.uint8), size, discard_mm))
    structures = lookup[np.concatenate(parts)]
    dense = np.where(structures > 0, structures, store.read(tissue))
    store.write_labels(tissue.with_name(tissue.name.replace("tissue", "dense")), dense)


def encoder_path(network: str, source: str) -> Path:
    return OUT / network / source / "encoder.safetensors"


def pretrained(job: tuple[str, str]) -> list[dict]:
    """Pre-train a source; the random start is a source too."""
    network, name = job
    path = encoder_path(network, name)
    if not path.exists():
        made = pretrain.scratch(architecture(network), SEED) if name == "scratch" else trained(network, name)
        pretrain.save(made, path, name, {"size": [study("oasis")["slice"]["size"]] * 2})
    return []


def trained(network: str, name: str) -> pretrain.Source:
    """A source after its training."""
    source = SOURCES[name]
    if source.dataset == "pictures":
        inputs, targets = (files(source.study, source.dataset, kind) for kind in ("image", source.targets))
        classes = tuple(natural.label_names(study(source.study)["datasets"][source.dataset]))
    else:
        inputs, targets = (
            list(scans(source.study, source.dataset, kind).values()) if kind else [] for kind in ("T1w", source.targets)
        )
        classes = source.classes
    how = pretrain.PretrainSettings(
        spec=SourceTaskSpec(source.task, classes, source.first),
        architecture=architecture(network),
        training=training(PRETRAINING_STEPS, 1e-3),
        seed=seeds.seed_for(SEED, "pretrain"),
        held_out=HELD_OUT,
        augment=preset(source.augmented),
        synthesis=None,
        origin="lower",
        resident_gb=4,
    )
    return pretrain.pretrain(inputs, targets, how)


def finetuning(run: Run, rate: float) -> tuple:
    """What a fine-tuning takes: pre-trained weights, images and labels of the pool, and settings."""
    encoder, of_scan, (pool, _) = encoder_path(run.network, run.source), pairs(run.target), people(run.target)
    inputs, labels = zip(*(of_scan[subject] for subject in pool), strict=True)
    how = finetune.FinetuneSettings(
        architecture=architecture(run.network),
        training=training(run.steps, rate),
        classes=["background", *TARGETS[run.target].classes],
        expects={},
        augment=preset(run.augmented),
        runs_per_gpu=run.draws,
        resident_gb=4,
    )
    whole = run.transfer == "all" and run.source != "scratch"
    start = Start(encoder, encoder.with_name("decoder.safetensors") if whole else None, {})
    return start, inputs, labels, how


def people(target: str) -> tuple[list[str], list[str]]:
    """Scans of the pool and of the test set."""
    subjects = sorted(pairs(target))
    pool = list(TARGETS[target].pool) or subjects[:8]
    return pool, [subject for subject in subjects if subject not in pool]


def draw(target: str, size: int, number: int) -> list[int]:
    """Positions in the pool of a training set."""
    pool, _ = people(target)
    return sorted(seeds.generator(SEED, "head start", target, size, number).permutation(len(pool))[:size].tolist())


def tuned(job: Run) -> list[dict]:
    """Scores of each learning rate on two training sets of two scans, each with four others to validate on."""
    start, inputs, labels, how = finetuning(job, RATES[0])
    draws = []
    for number in range(job.draws):
        order = seeds.generator(SEED, "head start tuning", job.target, number).permutation(len(inputs)).tolist()
        seed = seeds.seed_for(SEED, "head start tuning", job.target, str(number))
        draws.append((finetune.TrainingSet(sorted(order[: job.size]), seed), sorted(order[job.size : job.size + 4])))
    metric = TARGETS[job.target].metric
    rows = tune.tries(start, inputs, labels, dict.fromkeys(RATES, draws), how, metric)
    return [{"start": job.start, **row} for row in rows]


def scored(job: tuple[Run, float]) -> list[dict]:
    """Scores of each test scan after each fine-tuning of a run."""
    run, rate = job
    start, inputs, labels, how = finetuning(run, rate)
    sets = [
        finetune.TrainingSet(
            draw(run.target, run.size, number), seeds.seed_for(SEED, "finetune", run.target, str(run.size), str(number))
        )
        for number in range(run.draws)
    ]
    rows = []
    models = finetune.finetune([start] * len(sets), inputs, labels, sets, how)
    for number, (model, history) in enumerate(models):
        about = {"name": run.name, "rate": rate, "draw": number, "fall": history[-1]["fall"]}
        rows += scores(about, model, run.target)
    return rows


def scores(about: dict, model: nn.Module, target: str) -> Iterator[dict]:
    """A row for each test scan, with its score over the volume: mean IoU of all classes, or Dice of the lesions."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    entry, of_scan, (_, tested) = TARGETS[target], pairs(target), people(target)
    for subject in tested:
        seen, truth = map(store.read, of_scan[subject])
        found = predict(model, seen, precision="auto")
        score = volume_score(found, truth, len(entry.classes) + 1, entry.metric, "skip")
        yield {**about, "scan": subject, "score": score, "device": device}


def unlabelled(job: tuple[str, str]) -> list[dict]:
    """Scores of a source whose classes are the target's, without any labelled scan."""
    network, source = job
    path = encoder_path(network, source)
    model = architecture(network).make_segmenter(len(TARGETS["anatomy"].classes) + 1, seed=0)
    model_files.load_state(model.encoder, path)
    model_files.load_state(model.decoder, path.with_name("decoder.safetensors"))
    about = {"name": unlabelled_name(job), "rate": 0, "draw": 0, "fall": float("nan")}
    return list(scores(about, model, "anatomy"))


def unlabelled_name(job: tuple[str, str]) -> str:
    """Name of a run without a labelled scan, as that of other runs."""
    network, source = job
    return f"anatomy/{network}/{source}-all/size-0_steps-0_plain"


def at_work(pool: ProcessPoolExecutor, function, jobs: Iterable, table: Path, workers: int, until: float) -> None:
    """Do jobs in their order and add what each returns to a table; after ``until`` none is begun."""
    waiting, running = iter(jobs), set()
    while True:
        while len(running) < workers and time.monotonic() < until and (job := next(waiting, None)) is not None:
            running.add(pool.submit(function, job))
        if not running:
            return
        ended, running = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            rows = pd.DataFrame(future.result())
            if len(rows):
                rows.to_csv(table, sep="\t", mode="a", index=False, header=not table.exists())
                print(f"{time.strftime('%H:%M:%S')} {rows.iloc[0, 0]} {rows['score'].mean():.3f}", flush=True)


def kept(table: Path, column: str) -> set[str]:
    return set(pd.read_csv(table, sep="\t")[column]) if table.exists() else set()


def best_rates(table: Path, starts: Iterable[str]) -> dict[str, float]:
    """The learning rate of each start that was tuned."""
    rows = pd.read_csv(table, sep="\t") if table.exists() else pd.DataFrame({"start": []})
    tried = dict(list(rows.groupby("start")))
    return {start: tune.best(tune.summary(tried[start])) for start in starts if start in tried}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    OUT.mkdir(parents=True, exist_ok=True)
    if not (ROOT / "results/oasis/slices/cohort/part-0000_desc-dense_dseg.npy").exists():
        write_dense_labels()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, context, torch.set_num_threads, (1,)) as pool:
        for tier in tiers():
            chosen = [run for run in tier if re.search(options.only, run.name)]
            compare(chosen, pool, {"workers": options.workers, "until": until})


def compare(chosen: list[Run], pool: ProcessPoolExecutor, limits: dict) -> None:
    """Pre-train the sources of runs, choose a learning rate for each, and do the runs."""
    tries = {run.start: Run(run.target, run.network, run.source, run.transfer, 2, 200, True, 2) for run in chosen}
    sources = list(dict.fromkeys((run.network, run.source) for run in chosen))
    tuning, found = OUT / "tuning.tsv", OUT / "scores.tsv"
    at_work(pool, pretrained, sources, found, **limits)
    done = kept(found, "name")
    phantoms = [job for job in sources if job[1].startswith("phantom") and encoder_path(*job).exists()]
    at_work(pool, unlabelled, [job for job in phantoms if unlabelled_name(job) not in done], found, **limits)
    done = kept(tuning, "start")
    at_work(pool, tuned, [job for start, job in tries.items() if start not in done], tuning, **limits)
    rates, done = best_rates(tuning, tries), kept(found, "name")
    left = ((run, rates[run.start]) for run in chosen if run.start in rates and run.name not in done)
    at_work(pool, scored, left, found, **limits)


if __name__ == "__main__":
    main()
