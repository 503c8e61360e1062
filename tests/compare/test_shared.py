"""Which scans and training sets are the same, and which scores have a common scale."""

import pandas as pd
import pytest
from finished_studies import MEANS, RATER, SETTINGS, SIZES, TESTED, save_study

from headstart.compare import finished, shared
from headstart.job import UserError, read_json, write_json

OTHER_GRID = {**SETTINGS, "template": {"voxel_mm": 1.0}}


def found(results, *studies):
    ((target, parts),) = finished.read(list(studies), str(results)).items()
    return shared.shared(target, parts)


def test_only_scans_that_both_test_are_compared(tmp_path):
    """The second study is trained on two test scans of the first, which are left out."""
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", tested=TESTED[2:])
    seen = found(tmp_path, "one", "two")
    assert seen.scans == 8
    for part in seen.parts:
        assert set(part.scores["scan"]) == set(TESTED[2:])
    assert seen.notes == ["2 of 10 test scans of one are left out, 2 of them because another study is trained on them."]


def test_a_leak_that_leaves_no_scans_is_refused(tmp_path):
    save_study(tmp_path, "one", tested=TESTED[:5])
    save_study(tmp_path, "two", tested=TESTED[5:])
    with pytest.raises(UserError, match="share 0 test scans .* 10 are tested in one of one and two and trained on"):
        found(tmp_path, "one", "two")


def test_other_people_of_the_same_names_are_refused(tmp_path):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", prefix="other-")
    with pytest.raises(UserError, match="share 0 test scans .* 10 have the same name, but other voxels, in one"):
        found(tmp_path, "one", "two")


def test_one_other_scan_of_the_same_name_is_left_out_with_a_warning(tmp_path):
    save_study(tmp_path, "one")
    records = save_study(tmp_path, "two") / "intake/heads/part-0000.json"
    records.write_text(records.read_text().replace('"sha256": "t3"', '"sha256": "another"'))
    seen = found(tmp_path, "one", "two")
    assert seen.scans == 9
    assert seen.notes[2:] == [
        "Different people or images: 1 test scan of the same name in one and two with other voxels."
    ]


def test_the_same_people_under_other_names_are_the_same(tmp_path):
    save_study(tmp_path, "one")
    folder = save_study(tmp_path, "two")
    for path in (folder / "intake/heads/part-0000.json", *(folder / "splits").rglob("*.tsv")):
        path.write_text(path.read_text().replace("t0", "renamed"))
    scores = pd.read_parquet(folder / finished.SCORES)
    scores.replace({"scan": {"t0": "renamed"}}).to_parquet(folder / finished.SCORES)
    # The image keeps its hash.
    records = folder / "intake/heads/part-0000.json"
    records.write_text(records.read_text().replace('"sha256": "renamed"', '"sha256": "t0"'))
    seen = found(tmp_path, "one", "two")
    assert seen.scans == 10
    assert set(seen.parts[1].scores["scan"]) == set(TESTED)
    assert len(set(shared.blocks(seen.parts).values())) == 3


def test_other_manual_labels_are_refused(tmp_path):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", labels=101)
    with pytest.raises(UserError, match="manual labels of scan t0 on anatomy differ between one and two"):
        found(tmp_path, "one", "two")


def test_other_metrics_are_refused(tmp_path):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", metric="dice")
    with pytest.raises(UserError, match=r"do not compare \(miou in one, dice in two\); compare studies with the same"):
        found(tmp_path, "one", "two")


@pytest.mark.parametrize(("seed", "resamples", "kinds"), [(1, 4, 3), (2, 4, 6), (1, 5, 6)])
def test_training_sets_are_the_same_if_every_one_is(tmp_path, seed, resamples, kinds):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", seed=seed, resamples=resamples)
    numbers = shared.blocks(found(tmp_path, "one", "two").parts)
    assert len(set(numbers.values())) == kinds
    assert len({number for (study, _), number in numbers.items() if study == "one"}) == 3


def test_on_different_grids_scores_on_the_scans_own_grids_are_compared(tmp_path):
    save_study(tmp_path, "coarse", native=True)
    save_study(tmp_path, "fine", native=True, settings=OTHER_GRID)
    seen = found(tmp_path, "coarse", "fine")
    assert seen.native
    assert seen.metric == "dice"
    assert set(seen.parts[0].scores["size"]) == {4}
    # The planted native scores are 0.1 lower than those on the study's grid.
    own = finished.read(["coarse", "fine"], str(tmp_path))["anatomy"][0].scores
    mean = own.loc[own["size"] == 4, "total"].mean()
    assert seen.parts[0].scores["total"].mean() == pytest.approx(mean - 0.1, abs=1e-5)
    assert "(template.voxel_mm: 2.5 in coarse, 1 in fine). Compared is the Dice" in seen.notes[0]


def test_targets_with_competitors_from_elsewhere_are_scored_on_the_scans_own_grids(tmp_path):
    """Two of them have one scale whatever their grids; one of them has none in common with a study's grid."""
    save_study(tmp_path, "coarse", external=RATER, native=True)
    save_study(tmp_path, "fine", external=RATER, native=True, settings=OTHER_GRID)
    save_study(tmp_path, "plain", native=True)
    both, mixed = found(tmp_path, "coarse", "fine"), found(tmp_path, "coarse", "plain")
    assert not both.native
    assert both.notes == []
    assert set(both.parts[0].scores["size"]) == {1, 2, 4}
    assert mixed.native
    assert "template.voxel_mm: the scans' own grids in coarse, 2.5 in plain" in mixed.notes[0]


def test_on_different_grids_without_these_scores_there_is_a_warning(tmp_path):
    save_study(tmp_path, "coarse", native=True)
    save_study(tmp_path, "fine", settings=OTHER_GRID)
    seen = found(tmp_path, "coarse", "fine")
    assert not seen.native
    assert set(seen.parts[0].scores["size"]) == {1, 2, 4}
    assert "own grids are missing (fine)" in seen.notes[0]


def test_other_scores_of_scans_without_a_class_are_said(tmp_path):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", settings={**SETTINGS, "evaluate": {"margin": 0.02, "empty": "one"}})
    (note,) = found(tmp_path, "one", "two").notes
    assert note == "Scans without a class are scored differently (evaluate.empty: skip in one, one in two)."


def test_settings_that_differ(tmp_path):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", settings={**SETTINGS, "network": {"decoder": "paper", "latent_channels": 4}})
    table = shared.differences(found(tmp_path, "one", "two").parts, whole=True)
    assert table.to_dict("split")["data"] == [
        ["network.decoder", "unet", "paper"],
        ["network.latent_channels", "not set", "4"],
    ]


def test_targets_of_one_study_differ_in_their_own_settings_alone(tmp_path):
    folder = save_study(tmp_path, "ms", target="t1", others={"both": {"scratch": MEANS}})
    record = read_json(folder / "provenance.json")
    record["configuration"]["targets"]["both"]["images"] = ["T1w", "FLAIR"]
    write_json(folder / "provenance.json", record)
    ((title, parts),) = finished.read({"ms": ["t1", "both"]}, str(tmp_path)).items()
    seen = shared.shared(title, parts)
    assert (seen.scans, seen.notes) == (len(TESTED), [])
    # The training sets are the same scans.
    numbers = shared.blocks(seen.parts)
    assert [numbers["ms.t1", size] for size in SIZES] == [numbers["ms.both", size] for size in SIZES]
    table = shared.differences(seen.parts, whole=False)
    assert table.to_dict("split")["data"] == [["target.images", "not set", "['T1w', 'FLAIR']"]]


def test_targets_of_one_study_with_other_ground_truth_are_refused(tmp_path):
    """Targets of one dataset have the same classes; those of another may have others of the same scans."""
    folder = save_study(tmp_path, "ms", target="small", others={"large": {"scratch": MEANS}})
    record = read_json(folder / "provenance.json")
    record["configuration"]["targets"]["large"]["dataset"] = "again"
    write_json(folder / "provenance.json", record)
    checked = read_json(folder / "intake/heads/part-0000.json")
    for scan in checked:
        scan["labels"]["label_voxels"] = {"brain": 200}
    write_json(folder / "intake/again/part-0000.json", checked)
    ((title, parts),) = finished.read({"ms": ["small", "large"]}, str(tmp_path)).items()
    with pytest.raises(UserError, match=r"labels of scan t\d on small / large differ between ms\.small and ms\.large"):
        shared.shared(title, parts)
