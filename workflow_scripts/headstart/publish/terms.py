"""The datasets behind a model and the terms of those that are known, as docs/data.md has them."""

from collections.abc import Mapping, Sequence

from headstart import leaks
from headstart.sources import Source

# Terms of public sets of people and images, by the names that the table of known sets gives them.
SETS = {
    "atlasr1": "ATLAS R1, Liew 2018, doi 10.1038/sdata.2018.11: its terms of use, on application",
    "atlasr2": "ATLAS R2.0, Liew 2022, doi 10.1038/s41597-022-01401-7: its terms of use, on application",
    "lesjak": "3D-MR-MS, Lesjak 2018, doi 10.1007/s12021-017-9348-7: CC BY",
    "miccai2012": "MICCAI 2012, MRI from OASIS, labels provided by Neuromorphometrics, Inc. under academic "
    "subscription: CC BY-NC",
    "oasis1": "OASIS-1, Marcus 2007, doi 10.1162/jocn.2007.19.9.1498: its data use agreement",
    "ixi": "IXI, brain-development.org/ixi-dataset: CC BY-SA 3.0",
    "abide1": "ABIDE I, fcon_1000.projects.nitrc.org/indi/abide: registration and its terms of use",
    "adhd200": "ADHD-200, fcon_1000.projects.nitrc.org/indi/adhd200: registration and its terms of use",
    "taskonomy": "Taskonomy, Zamir 2018, taskonomy.stanford.edu: its own licence, for research",
    "imagenet": "ImageNet, ILSVRC 2012, image-net.org: for research, after registration",
}
ATLASES = {"desikan-killiany": "BSD", "ibsr": "for research", "neuromorphometrics": "CC BY-NC"}
_MADE = {
    "phantom": "synthetic subjects made by headstart, from the template and the atlases below",
    "synthetic": "synthetic label maps made by headstart, from the template and the atlases below",
    "scenes": "synthetic images made by headstart, from photographs of scikit-image and scikit-learn",
}
_UNKNOWN = "a set of which headstart does not know the terms: ask the owner of the data before you pass the weights on"


def of_model(config: Mapping, seen: Sequence[Source], target: str, backends: Mapping[str, str]) -> list[str]:
    """What a model was made from, one line each with the terms: target, sources, atlases and tools.

    ``config``: resolved; ``seen``: the source and those that it continues (:func:`headstart.sources.lineage`);
    ``target``: name of the target; ``backends``: the labelling back end of each dataset.
    """
    tested = config["targets"][target]["dataset"]
    used = {f"fine-tuning and test: `{tested}`": config["datasets"][tested]}
    for source in seen:
        if source.trained:
            data = source.scans or source.dataset
            used[f"pre-training: `{data}`"] = config["datasets"][data]
    lines = [f"{what}, {_of_dataset(entry)}" for what, entry in used.items()]
    for source in seen:
        if source.weights is not None:
            sets = "; ".join(_of_set(name) or f"{name}: ask its owner" for name in source.trained_on)
            trained = f", trained on {sets}" if sets else ", trained on data that the study does not name"
            lines.append(f"pre-trained weights from a file{trained}: ask who published the weights for their licence")
    labelled = [source.dataset for source in seen if source.uses_made_labels]
    if any(entry["layout"] in ("phantom", "synthetic") for entry in used.values()) or any(
        backends[name] == "ants" for name in labelled
    ):
        lines += [f"atlas: {atlas}: {ATLASES[atlas]}" for atlas in config["label"]["atlases"]]
    if any(backends[name] == "fsl" for name in labelled):
        lines.append("labels for pre-training were made by FSL: its licence allows non-commercial use")
    return lines


def _of_dataset(entry: Mapping) -> str:
    """What a dataset is, and its terms."""
    if made := _MADE.get(entry["layout"]):
        return made
    named = leaks.set_of(entry) or entry["layout"]
    return _of_set(named) or (f"{named}, {_UNKNOWN}" if "set" in entry else _UNKNOWN)


def _of_set(name: str) -> str | None:
    """A public set and its terms; None if it is not known."""
    return SETS.get(leaks.canonical(name))
