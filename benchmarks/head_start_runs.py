"""The targets, sources and fine-tunings that benchmarks/head_start.py compares."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))
from headstart.template.template import STRUCTURES, TISSUES  # noqa: E402

ANATOMY = [
    "white matter",
    "cortical grey matter",
    "basal ganglia and thalami",
    "ventricles",
    "cerebellum",
    "brain stem",
]
NETWORKS = ("unet", "paper")


@dataclass(frozen=True)
class Target:
    """A dataset of a study with its classes; ``pool``: scans to train on (none named: the first eight), others test."""

    study: str
    dataset: str
    classes: tuple[str, ...]
    metric: str
    pool: tuple[str, ...] = ()


TARGETS = {
    "anatomy": Target(
        "oasis", "anatomy", tuple(ANATOMY), "miou", ("1000", "1001", "1002", "1006", "1008", "1009", "1011", "1013")
    ),
    "stroke": Target("phantoms", "stroke", ("lesion",), "dice"),
    "ms": Target("phantoms", "ms", ("lesion",), "dice"),
}


@dataclass(frozen=True)
class Source:
    """What a source is trained on: the files of its slices, and its task; ``augmented``: as in fine-tuning."""

    study: str
    dataset: str
    task: str
    targets: str | None
    classes: tuple[str, ...] = ()
    first: int = 0
    augmented: bool = False


TISSUE_CLASSES = ("background", *TISSUES.values())
SOURCES = {
    "t1-segmentation": Source("oasis", "cohort", "segmentation", "desc-tissue_dseg", TISSUE_CLASSES),
    "t1-structures": Source(
        "oasis", "cohort", "segmentation", "desc-dense_dseg", (*TISSUE_CLASSES, *STRUCTURES.values())
    ),
    "t1-autoencoding": Source("oasis", "cohort", "autoencoding", None),
    "natural-segmentation": Source("oasis", "pictures", "segmentation", "dseg", (), 1),
    "phantom-anatomy": Source("phantoms", "heads", "segmentation", "desc-target_dseg", ("background", *ANATOMY)),
    "phantom-anatomy-augmented": Source(
        "phantoms", "heads", "segmentation", "desc-target_dseg", ("background", *ANATOMY), augmented=True
    ),
}


@dataclass(frozen=True)
class Run:
    """The fine-tunings of one source on ``draws`` training sets of one size."""

    target: str
    network: str
    source: str
    transfer: str
    size: int
    steps: int
    augmented: bool
    draws: int

    @property
    def start(self) -> str:
        """Target, network and source, which have a learning rate of their own."""
        source = self.source if self.source == "scratch" else f"{self.source}-{self.transfer}"
        return f"{self.target}/{self.network}/{source}"

    @property
    def name(self) -> str:
        """Name of the run, which has all that it depends on."""
        return f"{self.start}/size-{self.size}_steps-{self.steps}_{'augmented' if self.augmented else 'plain'}"


def tiers() -> Iterator[list[Run]]:
    """All runs in groups, the most important first."""
    scratch, phantoms, structures = ("scratch", "all"), ("phantom-anatomy", "all"), ("t1-structures", "all")
    sizes, targets = (1, 2, 4, 8), ("stroke", "ms")
    first = [scratch, phantoms, ("phantom-anatomy-augmented", "all"), structures]
    first += [("t1-segmentation", transfer) for transfer in ("encoder", "all")]
    yield [
        *(Run("anatomy", "unet", *start, size, 200, True, 4) for start, size in product(first, sizes)),
        *(Run("anatomy", "unet", *start, size, 1000, True, 3) for start, size in product(first[:2], sizes)),
        *(
            Run(target, network, *scratch, size, 200, augmented, 3)
            for target, network, augmented, size in product(targets, NETWORKS, (True, False), sizes)
        ),
        *(Run("anatomy", "unet", *structures, size, 1000, True, 3) for size in sizes),
        *(Run(target, "unet", *phantoms, size, 200, True, 3) for target, size in product(targets, sizes)),
    ]
    others = [start for start in product(SOURCES, ("all", "encoder")) if start not in first]
    yield [
        *(
            Run("anatomy", "paper", *start, size, 200, True, 3)
            for start, size in product([scratch, phantoms, structures, first[4]], sizes)
        ),
        *(Run("anatomy", "unet", *start, size, 200, True, 3) for start, size in product(others[:-1], sizes)),
        *(Run("anatomy", "unet", *start, size, 200, False, 3) for start, size in product(first[:2], sizes)),
        *(Run("anatomy", "paper", *scratch, size, 200, False, 3) for size in sizes),
        *(Run("anatomy", "unet", *start, size, 50, True, 4) for start, size in product([*first[:2], first[4]], sizes)),
        *(Run("stroke", "unet", *start, size, 1000, True, 3) for start, size in product(first[:2], sizes)),
        *(Run("ms", "unet", *scratch, size, 1000, True, 3) for size in sizes),
    ]
    yield [Run("anatomy", "paper", *start, size, 200, True, 3) for start, size in product([*others, first[5]], sizes)]
