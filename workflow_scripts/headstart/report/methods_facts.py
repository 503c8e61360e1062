"""What the methods text of a study says: numbers and names from its configuration and its table of participants."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from headstart import without_labels
from headstart.datasets.scan import T1W, image_names, image_title
from headstart.evaluate.forecast import SHAPES
from headstart.evaluate.needed import LEAST_RESAMPLES, LEAST_SIZES, REACH
from headstart.evaluate.significance import ALPHA
from headstart.external import find
from headstart.report import methods_augmentation, methods_sources
from headstart.report.html import listed, plain
from headstart.report.wording import count, either, emphasised, number
from headstart.slices import channels, cut
from headstart.template import template

_ATLASES = {
    "desikan-killiany": "the Desikan-Killiany atlas [Desikan2006]_",
    "ibsr": "the atlas of the Internet Brain Segmentation Repository distributed with CAT12 [Gaser2024]_",
    "neuromorphometrics": "the Neuromorphometrics atlas distributed with CAT12 [Gaser2024]_",
}
# What each bound of quality control measures, its unit, and the highest value that the measure can take.
_BOUNDS = {
    "template_correlation": ("a correlation with the template", "", 1),
    "brain_dice": ("a Dice coefficient of its brain mask with that of the template", "", 1),
    "brain_native_ml": ("a brain volume", " mL", math.inf),
    "determinant": ("a determinant of the affine transformation", "", math.inf),
}


def of_study(config: Mapping, participants: pd.DataFrame, left_out: Mapping[str, Sequence[str]]) -> dict:
    """The names that the template ``methods.rst.jinja`` uses, but for versions and the labelling back ends.

    ``config``: the resolved configuration; ``participants``: its table of participants, with one row per dataset of
    scans; ``left_out``: subjects of each dataset that no source was trained on.
    """
    return {
        **_data(config, participants),
        **_preparation(config),
        **methods_sources.of_study(config, participants, left_out),
        **_finetuning(config, participants),
        **_evaluation(config),
        "seed": config["seed"],
    }


def _data(config: Mapping, participants: pd.DataFrame) -> dict:
    """The datasets that the study uses, of scans and of natural images."""
    scans, pretrained = (
        [],
        {source["dataset"] for source in config["pretrain"]["sources"].values() if "dataset" in source},
    )
    for row in participants.to_dict("records"):
        entry, name = config["datasets"][row["dataset"]], row["dataset"]
        roles = ["pre-training"] if name in pretrained else []
        roles += [f"target *{plain(key)}*" for key, target in config["targets"].items() if target["dataset"] == name]
        if roles:
            described = {
                "name": name,
                "layout": entry["layout"],
                "roles": roles,
                "people_described": _people(row, entry),
                "first": image_title(image_names(entry)[0]),
                "further": [f"a {image_title(image)} image" for image in image_names(entry)[1:]],
            }
            scans.append(row | described)
    images = methods_sources.image_datasets(config)
    entries = [config["datasets"][row["name"]] for row in scans]
    phantoms = [entry for entry in entries if entry["layout"] == "phantom"]
    sizes = [size for entry in phantoms for size in entry["voxel_mm"]]
    thick = [size for entry in phantoms for size in entry.get("slice_mm") or ()]
    return {
        "scans": scans,
        "images": images,
        "photographs": any(row["layout"] != "scenes" for row in images),
        "phantoms": phantoms and {
            "voxel_mm": (min(sizes), max(sizes)),
            "slice_mm": thick and (min(thick), max(thick)),
            "lesions": {entry["lesions"] for entry in phantoms},
            "contrasts": [image_title(name) for name in dict.fromkeys(image_names(entry)[0] for entry in phantoms)],
        },
        "masked": emphasised(row["name"] for row, entry in zip(scans, entries, strict=True) if entry["mask_lesions"]),
        "real_targets": any(
            config["datasets"][target["dataset"]]["layout"] != "phantom" for target in config["targets"].values()
        ),
        "discarded": _discarded(config, [row["name"] for row in scans]),
        "further": [
            image_title(image)
            for image in dict.fromkeys(image for entry in entries for image in image_names(entry)[1:])
        ],
        "not_t1": [
            image_title(first)
            for first in dict.fromkeys(image_names(entry)[0] for entry in entries)
            if first != T1W
        ],
    }  # fmt: skip


def _people(row: Mapping, entry: Mapping) -> str:
    """Age, sex and sites of a dataset's participants, as far as they are known; the ages of phantoms are nominal."""
    parts = []
    if row["age_known"]:
        age = f"{'nominal ' if entry['layout'] == 'phantom' else ''}mean age {row['age_mean']:.1f} years"
        age += f", SD {row['age_sd']:.1f}" if row["age_known"] > 1 else ""
        age += f", range {number(row['age_min'])} to {number(row['age_max'])}"
        known = f", known for {row['age_known']}" if row["age_known"] < row["people"] else ""
        parts.append(age + known)
    if known := [f"{row[sex]} {sex}" for sex in ("female", "male", "other") if row[sex]]:
        unknown = [f"sex unknown for {row['sex_unknown']}"] if row["sex_unknown"] else []
        parts.append(", ".join(known + unknown))
    if isinstance(row["sites"], str):
        parts.append(count(row["sites"].count(", ") + 1, "site"))
    return "; ".join(parts)


def _discarded(config: Mapping, names: Sequence[str]) -> list[str]:
    """What is left out of the slices of each dataset of scans, and how many slices that leaves."""
    grid = template.grid(config["template"]["voxel_mm"])
    groups: dict[tuple, list[str]] = {}
    for name in names:
        discard = config["datasets"][name]["discard_mm"]
        groups.setdefault((discard["top"], discard["bottom"], cut.count(grid, discard)), []).append(name)
    return [
        f"{number(top)} mm and {number(bottom)} mm for {emphasised(group)}, leaving {slices} slices per scan"
        for (top, bottom, slices), group in groups.items()
    ]


def _preparation(config: Mapping) -> dict:
    """Registration, labels made for sources, and the networks."""
    label, voxel_mm = config["label"], config["template"]["voxel_mm"]
    bounds = []
    for name, (low, high) in config["quality"]["stop"].items():
        measure, unit, highest = _BOUNDS[name]
        limits = f"of at least {number(low)}" if high >= highest else f"between {number(low)} and {number(high)}"
        bounds.append(f"{measure} {limits}{unit}")
    images = config["quality"]["stop_images"]
    return {
        "voxel_mm": voxel_mm,
        "size": config["slice"]["size"],
        "neighbours": config["slice"]["neighbours"],
        "neighbour_mm": voxel_mm * channels.step_of(config["slice"]["neighbour_mm"], voxel_mm),
        "presence_voxels": config["slice"]["presence_voxels"],
        "register": config["register"],
        "bounds": bounds,
        "image_bounds": {name: [number(limit) for limit in limits] for name, limits in images.items()},
        "label": label,
        "learn": label["learn"]["scans"] and label["learn"],
        "atlases": [_ATLASES[name] for name in label["atlases"]],
        "network": config["network"],
        **_encoder(config["network"]["encoder"]),
        "training": config["training"],
    }


def _encoder(name: str) -> dict:
    """The backbone in words, and where it was published."""
    library, _, model = name.rpartition("/")
    if not library:
        return {"encoder": f"a ResNet-{name.removeprefix('resnet')}", "encoder_reference": " [He2016]_"}
    title, reference = {"monai": ("MONAI", " [Cardoso2022]_"), "timm": ("timm", " [Wightman2019]_")}[library]
    return {"encoder": f"the network *{plain(model)}* of {title}", "encoder_reference": reference}


def _finetuning(config: Mapping, participants: pd.DataFrame) -> dict:
    """The target tasks, with their training and test sets."""
    people = participants.set_index("dataset")
    targets = [_target(config, name, people.loc[target["dataset"]]) for name, target in config["targets"].items()]
    runs = sum(len(target["sizes"]) * target["resamples"] for target in targets)
    augmented = [name for name, target in config["targets"].items() if target["augment"]]
    return {
        "targets": targets,
        "changes": methods_augmentation.changes(config["finetune"]["augment"]) if augmented else "",
        "not_changed": emphasised(name for name in config["targets"] if name not in augmented),
        "rates": [number(rate) for rate in config["finetune"]["learning_rates"]],
        "tuning_draws": config["finetune"]["draws"],
        "encoder_factor": config["finetune"]["encoder_factor"],
        "networks": len(config["pretrain"]["sources"]) * runs,
        "drawn": not all(target["all_others"] for target in targets),
        "seeds_alone": [f"*{plain(target['name'])}*" for target in targets if target["seeds_alone"]],
        "single": [f"*{plain(target['name'])}*" for target in targets if target["resamples"] == 1],
    }


def _target(config: Mapping, name: str, people: pd.Series) -> dict:
    """One target task; ``people``: its dataset's row of the table of participants."""
    target = config["targets"][name]
    named = list(map(plain, target["test"])) if isinstance(target.get("test"), list) else []
    tested = int(people["scans"]) if target.get("folds") else len(named) or target["test"]
    sizes = sorted(size for size in target["sizes"] if size)
    entry = config["datasets"][target["dataset"]]
    values = len(target["classes"]) > 1 and entry["layout"] != "phantom"
    images = target.get("images") or image_names(entry)
    return {
        **target,
        "name": name,
        "classes": [plain(title) + (_values(each) if values else "") for title, each in target["classes"].items()],
        "sizes": sizes,
        "as_pretrained": emphasised(without_labels.usable(config, name)) if 0 in target["sizes"] else "",
        "images": [image_title(image) for image in images],
        "several": images != [T1W],
        "named": named,
        "tested": tested,
        "folds": target.get("folds"),
        "repeats": target["resamples"] // target.get("folds", 1),
        "at_least": not named and people["scans"] > people["people"],
        "seeds_alone": target["resamples"] > 1
        and target["split"] == "fixed"
        and sizes[-1:] == [people["scans"] - tested],
        "all_others": sizes == [people["scans"] - tested],
    }


def _values(items: Sequence[int | str]) -> str:
    """The label values of a class, in brackets."""
    return f" ({'label' if len(items) == 1 else 'labels'} {listed([str(item).replace('-', ' to ') for item in items])})"


def _evaluation(config: Mapping) -> dict:
    """Scores, detection of lesions, and statistics."""
    evaluate, targets = config["evaluate"], config["targets"]
    metrics: dict[str, list[str]] = {}
    for name, target in targets.items():
        metrics.setdefault(target["metric"], []).append(f"*{plain(name)}*")
    several = any(target["metric"] == "dice" and len(target["classes"]) > 1 for target in targets.values())
    curves = any(len(set(target["sizes"]) - {0}) > 1 for target in targets.values())
    overlaps, volumes = evaluate["lesions"]["overlap"], [ml for ml in evaluate["lesions"]["volume_ml"] if ml > 0]
    return {
        "metrics": metrics,
        "external": [
            {"target": f"*{plain(name)}*", "masks": _external(target["external"])}
            for name, target in targets.items()
            if "external" in target
        ],
        "on_template": [f"*{plain(name)}*" for name, target in targets.items() if "external" not in target],
        "empty": evaluate["empty"],
        "dice_mean": ", averaged over the foreground classes" if several else "",
        "overlaps": either([f"{number(100 * share)} %" for share in overlaps]),
        "in_scan": evaluate["lesions"]["volume"] == "scan",
        "volumes": f"{either(list(map(number, volumes)))} mL" if volumes else "",
        "in_turn": {
            "overlaps": len(overlaps) > 1,
            "volumes": _volumes_in_turn(len(volumes), 0 in evaluate["lesions"]["volume_ml"]),
        },
        "draws": evaluate["bootstrap"],
        "alpha": ALPHA,
        "tested": any(
            t["resamples"] > 1 and len(config["pretrain"]["sources"]) + len(t.get("external", ())) > 1
            for t in targets.values()
        ),
        "these": evaluate["training_scans"] == "these",
        "folded": [f"*{plain(name)}*" for name, target in targets.items() if "folds" in target],
        "margin": evaluate["margin"],
        "curves": curves,
        "quantities": ["the number of labelled scans saved"] * curves + ["lesion-wise measures"] * ("dice" in metrics),
        "forecasts": [f"*{plain(name)}*" for name, target in targets.items() if _is_forecast(target)],
        "reach": REACH,
        "shapes": SHAPES,
        "without_labels": any(0 in target["sizes"] for target in targets.values()),
    }


def _external(entries: Mapping[str, Mapping]) -> str:
    """The competitors of a target from elsewhere, and what they were trained on."""
    trained = {True: "trained on the same training sets", False: "not trained on these training sets"}
    return listed([f"{plain(name)} ({trained[find.is_trained(entry)]})" for name, entry in entries.items()])


def _is_forecast(target: Mapping) -> bool:
    """Whether the labelled scans needed are forecast beyond the largest set size."""
    return len(set(target["sizes"]) - {0}) >= LEAST_SIZES and target["resamples"] >= LEAST_RESAMPLES


def _volumes_in_turn(cutoffs: int, without: bool) -> str:
    """How volume cutoffs above 0 were applied: several in turn, and also none where ``without``."""
    if cutoffs > 1:
        return " (each cutoff in turn, and without a cutoff)" if without else " (each cutoff in turn)"
    return " (with and without this cutoff)" if without else ""
