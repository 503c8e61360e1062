"""Studies on every layout are planned to the last job, from folders of empty files."""

import numpy as np
import yaml
from PIL import Image

ODD = "Zoë's scans* & $more"


def plan(project, tmp_path, folders, datasets, targets):
    """How many jobs of each rule a study on these datasets would do, and what the dry run prints."""
    for folder, names in folders.items():
        for name in names:
            path = tmp_path / "data" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    rest = {"metric": "dice", "test": 1, "sizes": [1], "resamples": 1, "epochs": 1}
    study = {
        **yaml.safe_load((project.folder / "tiny.yaml").read_text()),
        "data": str(tmp_path / "data"),
        "datasets": datasets,
        "finetune": {"learning_rates": []},  # too few scans for tries
        "targets": {name: {"dataset": name, "classes": {name: [1]}, **rest} for name in targets},
    }
    (project.folder / "planned.yaml").write_text(yaml.safe_dump(study))
    shown = project.snakemake("--dry-run", study="planned.yaml")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return project.count(shown), shown.stdout


def test_a_study_on_folders_of_ones_own(bare_project, tmp_path):
    mask = "sub-r001s00{0}_ses-1_label-L_desc-T1lesion_mask.nii.gz"
    folders = {
        ODD: ["IXI002-Guys-0828-T1.nii.gz", "IXI012-HH-1211-T1.nii.gz"],
        "ATLAS_2": [f"sub-r001s00{n}/ses-1/anat/sub-r001s00{n}_ses-1_T1w.nii.gz" for n in (1, 2, 3)]
        + [f"derivatives/ATLAS/sub-r001s00{n}/ses-1/anat/{mask.format(n)}" for n in (1, 2, 3)],
    }
    datasets = {
        "cohort": {"layout": "flat", "folder": ODD, "pattern": r"(?P<subject>IXI\d+)-(?P<site>\w+)-\d+-T1\.nii\.gz"},
        "stroke": {"layout": "bids", "folder": "ATLAS_2", "labels_suffix": "label-L_desc-T1lesion_mask"},
    }
    jobs, shown = plan(bare_project, tmp_path, folders, datasets, ["stroke"])
    assert jobs["register_scan"] == 5
    assert jobs["resample_target"] == 3
    assert jobs["label_scan"] == 2
    assert jobs["check_scans"] == 2
    assert jobs["compare_scans"] == jobs["tabulate_quality"] == jobs["gate_quality"] == 1
    assert jobs["tabulate_participants"] == 1
    assert jobs["describe_derivatives"] == 2
    assert "make_subject" not in jobs
    assert f"data/{ODD}/IXI002-Guys-0828-T1.nii.gz" in shown


def test_a_study_on_datasets_as_they_are_handed_out(bare_project, tmp_path):
    case = "c0001/c0001s0004t0{0}/c0001s0004t0{0}_"
    visit = "disc1/OAS1_000{0}_MR1/PROCESSED/MPRAGE/SUBJ_111/OAS1_000{0}_MR1_mpr_n4_anon_sbj_111"
    lesions = ("t1w", "LesionSmooth", "LesionSmooth_1")
    folders = {
        "ATLAS_R1.2": [f"{case.format(1)}{name}_stx.nii.gz" for name in lesions]
        + [f"c0002/c0002s0001t01/c0002s0001t01_{name}_stx.nii.gz" for name in lesions[:2]],
        "3D-MR-MS": [f"patient0{n}/patient0{n}_{name}.nii.gz" for n in (1, 2) for name in ("T1W", "consensus_gt")],
        "oasis-miccai2012": [f"100{n}_{name}.nii.gz" for n in (0, 1) for name in ("SS", "glm")],
        "oasis1": [f"{visit.format(n)}.{end}" for n in (1, 2) for end in ("img", "hdr")],
    }
    datasets = {
        "cohort": {"layout": "oasis1", "folder": "oasis1", "set": "oasis1-others"},
        "stroke": {"layout": "atlas-r1", "folder": "ATLAS_R1.2"},
        "ms": {"layout": "lesjak", "folder": "3D-MR-MS"},
        "anatomy": {"layout": "miccai2012", "folder": "oasis-miccai2012"},
    }
    jobs, shown = plan(bare_project, tmp_path, folders, datasets, ["stroke", "ms", "anatomy"])
    assert jobs["register_scan"] == 8
    assert jobs["resample_target"] == 6
    assert jobs["label_scan"] == 2
    both = [f"{tmp_path}/data/ATLAS_R1.2/{case.format(1)}{name}_stx.nii.gz" for name in lesions[:0:-1]]
    assert ", ".join(both) in shown


def test_natural_images_become_slices_that_files_of_the_study_hold(bare_project, tmp_path):
    for number in range(5):
        for domain, value in (("rgb", (40 * number,) * 3), ("segment_semantic", number)):
            path = tmp_path / f"rooms/{domain}/allensville/point_{number}_view_0_domain_{domain.replace('_', '')}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB" if domain == "rgb" else "L", (70, 64), value).save(path)
    study = yaml.safe_load((bare_project.folder / "tiny.yaml").read_text())
    study["datasets"]["rooms"] = {"layout": "taskonomy", "folder": str(tmp_path / "rooms"), "pictures": 5}
    study["slice"]["images_per_file"] = 3
    (bare_project.folder / "rooms.yaml").write_text(yaml.safe_dump(study))
    jobs = bare_project.to_run(study="rooms.yaml")
    assert jobs["list_pictures"] == 1
    assert jobs["slice_rooms"] == 2
    assert "slice_objects" not in jobs
    made = [f"results/tiny/slices/rooms/part-000{part}_{kind}.npy" for part in (0, 1) for kind in ("image", "dseg")]
    done = bare_project.snakemake("--nolock", *made, study="rooms.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    images, labels = (
        np.concatenate([np.load(bare_project.folder / path) for path in made[first::2]]) for first in (0, 1)
    )
    assert images.shape == labels.shape == (5, 64, 64)
    assert images.dtype == np.uint16
    np.testing.assert_array_equal(images[:, 0, 0], np.rint(labels[:, 0, 0].astype(float) * 40 / 255 * 65535))
    assert sorted(labels[:, 0, 0]) == [0, 1, 2, 3, 4]
