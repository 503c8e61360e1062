"""The file of a study, from what a folder holds and a design."""

from pathlib import Path

import jinja2
import yaml

from headstart.begin import design as designs
from headstart.begin.contents import Contents
from headstart.begin.describe import MANY
from headstart.begin.design import Design
from headstart.begin.folder import DATASET, Found

TEMPLATE = Path(__file__).with_name("study.yaml.jinja")
# Nothing of a brain in the template is higher.
_DISCARD = {"top": 29, "bottom": 0}
# Keys of an entry that are about labels, about images that only targets see, or about which scans to use.
_OF_LABELS = (
    "images",
    "image_entities",
    "patterns",
    "missing",
    "labels",
    "labels_suffix",
    "labels_pattern",
    "masks",
    "mask_above",
    "include",
    "exclude",
)
_WIDTH = 112


def text(name: str, found: Found, contents: Contents, design: Design, *, gpu: bool) -> str:
    """The file of the study ``name`` in YAML, with comments; ``gpu``: whether it was designed for one."""
    classes = designs.classes(contents)
    binary = len(classes) == 1
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["flow"] = flow
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=name,
        folder=" ".join(str(found.entry["folder"]).split()),
        design=design,
        labelled=_labelled(found, design),
        unlabelled=_unlabelled(found, design),
        own=DATASET,
        # Cross-validation tests all labelled scans, so that none is left to pre-train on.
        pretrained="unlabelled" if design.unlabelled else None if design.folds else DATASET,
        target="lesion" if binary else "structures",
        binary=binary,
        classes=classes,
        voxel_remark="mm, for a GPU" if gpu else "mm; 1 if you train on a GPU, with slice.size 256",
        many=MANY,
    )


def flow(value: object, indent: int = 0) -> str:
    """A value as YAML has it within a line; long lists and mappings go on in lines indented by ``indent``."""
    # In a list, since YAML ends a bare scalar with a mark of its own.
    listed = yaml.safe_dump([value], default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False)
    written = listed.strip()[1:-1]
    if len(written) <= _WIDTH or isinstance(value, str):
        return written
    # Between two keys or items: YAML takes no key that goes on in another line.
    lines = [""]
    for part in written.split(", "):
        if len(lines[-1]) + len(part) > _WIDTH - indent:
            lines.append("")
        lines[-1] += f"{part}, "
    return f"\n{' ' * indent}".join(line.rstrip() for line in lines).removesuffix(",")


def _labelled(found: Found, design: Design) -> dict:
    """The dataset of the target: its entry, and which scans have labels."""
    kept = {key: value for key, value in found.entry.items() if key not in ("include", "exclude", "discard_mm")}
    without = [*design.unlabelled, *design.left_out]
    chosen: dict[str, list[str]] = {}
    if "include" in found.entry or len(without) > len(design.labelled):
        chosen = {"include": sorted(design.labelled)}
    elif excluded := sorted({*found.entry.get("exclude", ()), *without}):
        chosen = {"exclude": excluded}
    return {**kept, **chosen, "discard_mm": found.entry.get("discard_mm", _DISCARD)}


def _unlabelled(found: Found, design: Design) -> dict:
    """The dataset of the scans without labels; empty if there are none to use."""
    if not design.unlabelled:
        return {}
    kept = {key: value for key, value in found.entry.items() if key not in (*_OF_LABELS, "discard_mm")}
    discard = found.entry.get("discard_mm", _DISCARD)
    return {**kept, "include": sorted(design.unlabelled), "discard_mm": discard}
