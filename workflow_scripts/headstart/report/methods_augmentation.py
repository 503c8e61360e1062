"""What the methods text of a study says of its augmentation."""

from collections.abc import Mapping, Sequence

from headstart.report.html import listed
from headstart.report.wording import emphasised, number

# What each kind of change is called, with the lowest and the highest strength.
_KINDS = {
    "rotation": "rotation ({} to {}°",
    "scale": "scaling (factor {} to {}",
    "shear": "shearing ({} to {}°",
    "elastic": "elastic deformation (largest shift of a control point {} to {} of the side of the slice",
    "inverted_gamma": "gamma correction of the inverted intensities (exponent {} to {}",
    "gamma": "gamma correction (exponent {} to {}",
    "brightness": "change of brightness (factor {} to {}",
    "contrast": "change of contrast (factor {} to {}",
    "bias": "multiplication with a smooth bias field (strength {} to {}",
    "blur": "Gaussian blurring (standard deviation {} to {} pixels",
    "low_resolution": "reduction of the resolution (fraction of rows and columns kept {} to {}",
    "noise": "addition of Gaussian noise (standard deviation {} to {}",
}


def of_sources(augment: Mapping[str, Mapping], trained: Sequence[str]) -> tuple[list[tuple[str, str]], str]:
    """What slices were changed by in pre-training, and which sources were trained on slices as they are.

    ``augment``: augmentation by source; ``trained``: the sources that were trained. Returns pairs of sources with the
    same augmentation and its :func:`changes`, and the sources without any.
    """
    groups: dict[str, list[str]] = {}
    for source in trained:
        groups.setdefault(changes(augment.get(source)), []).append(source)
    plain = emphasised(groups.pop("", []))
    return [(emphasised(group), said) for said, group in groups.items()], plain


def changes(kinds: Mapping | None) -> str:
    """The random changes of an augmentation in words; an empty string if it changes nothing."""
    kinds = kinds or {}
    if "degrees" in kinds:
        said = [f"rotation (up to ± {number(kinds['degrees'])}°)"] if kinds["degrees"] else []
        said += [f"scaling (up to ± {number(100 * kinds['scale'])} %)"] if kinds["scale"] else []
    else:
        happening = {name: kinds[name] for name in _KINDS if name in kinds and kinds[name]["probability"]}
        said = [_change(name, **chance) for name, chance in happening.items()]
    if kinds.get("mirror"):
        said.append("left-right mirroring (probability 0.5)")
    return listed(said) if said else ""


def _change(name: str, probability: float, low: float, high: float) -> str:
    """One kind of change, with its strength and probability."""
    strength = _KINDS[name].format(*(number(value).replace("-", "−") for value in (low, high)))
    return f"{strength}; probability {number(probability)})"
