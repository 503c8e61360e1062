"""Synthetic subjects with a FLAIR beside the T1, and those without one, in the same study."""

import yaml


def test_subjects_of_datasets_that_ask_for_a_flair_have_one(bare_project):
    study = yaml.safe_load((bare_project.folder / "tiny.yaml").read_text())
    study["datasets"]["stroke"]["images"] = ["T1w", "FLAIR"]
    (bare_project.folder / "flair.yaml").write_text(yaml.safe_dump(study))
    plain, with_flair = (bare_project.to_run("datasets", study=name) for name in ("tiny.yaml", "flair.yaml"))
    assert "make_subject_with_flair" not in plain
    assert with_flair["make_subject_with_flair"] == study["datasets"]["stroke"]["people"]
    assert with_flair["make_subject"] + with_flair["make_subject_with_flair"] == plain["make_subject"]
