"""The masks of competitors, found by the names of their files."""

import pytest

from headstart.external import find
from headstart.job import UserError

TRAINED = r"size-(?P<size>\d+)_resample-(?P<resample>\d+)/(?P<subject>\w+)\.nii\.gz"
TESTS = {(2, 1): ["01", "02"], (2, 2): ["01", "02"], (4, 1): ["01", "02"], (4, 2): ["01", "02"]}


@pytest.fixture
def masks(tmp_path):
    """Makes empty files in the folder of masks; returns the masks that are found there."""

    def make(*names, pattern=TRAINED, tests=TESTS, **entry):
        for name in names:
            (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "masks" / name).touch()
        return find.find("t", "net", {"folder": "masks", "pattern": pattern, **entry}, tests, tmp_path)

    return make


def of_all_draws():
    """The masks of a method that was trained for each draw."""
    drawn = ((*draw, scan) for draw, scans in TESTS.items() for scan in scans)
    return [f"size-{size}_resample-{resample}/{scan}.nii.gz" for size, resample, scan in drawn]


def test_each_draw_has_its_own_mask_of_each_test_scan(masks, tmp_path):
    found = masks(*of_all_draws(), "size-8_resample-1/01.nii.gz", "notes.txt")
    assert found.trained
    assert {draw: [path.relative_to(tmp_path / "masks").as_posix() for path in of_draw.values()]
            for draw, of_draw in found.masks.items()} == {
        (size, resample): [f"size-{size}_resample-{resample}/{scan}.nii.gz" for scan in scans]
        for (size, resample), scans in TESTS.items()
    }  # fmt: skip
    assert len(found.files) == 8


def test_what_was_not_trained_has_one_mask_for_all_draws(masks, tmp_path):
    found = masks("sub-01_ses-a.nii", "sub-02_ses-a.nii", pattern=r"sub-(?P<subject>\d+)_ses-(?P<session>\w)\.nii",
                  tests={(2, 1): ["01sesa"], (2, 2): ["02sesa"]})  # fmt: skip
    assert not found.trained
    assert found.masks == {
        (2, 1): {"01sesa": tmp_path / "masks/sub-01_ses-a.nii"},
        (2, 2): {"02sesa": tmp_path / "masks/sub-02_ses-a.nii"},
    }


def test_missing_masks_are_counted_and_the_first_is_named(masks, tmp_path):
    names = of_all_draws()
    with pytest.raises(UserError) as caught:
        masks(*names[:2], *names[3:6])
    assert str(caught.value) == (
        f"targets.t.external.net: {tmp_path}/masks has no mask of test scan 01 for set size 2, resample 2 (and 2 "
        "more); add the masks, or correct targets.t.external.net.pattern (it matches size-2_resample-1/01.nii.gz)."
    )
    with pytest.raises(UserError, match=r"test scan 02; add the masks, .* \(it matches 01.nii\)"):
        masks("01.nii", pattern=r"(?P<subject>\w+)\.nii")


def test_a_folder_without_any_match_shows_what_it_holds(masks):
    with pytest.raises(UserError, match=r"\(the folder has size_2/01.nii.gz\)"):
        masks("size_2/01.nii.gz")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(?P<subject>\w+", "targets.t.external.net.pattern is not a regular expression"),
        (r"\w+\.nii", "has no group (?P<subject>...)"),
        (r"(?P<size>\d+)/(?P<subject>\w+)\.nii", "has the group 'size' alone; name both size and resample, or neither"),
        (r"(?P<size>\w+)/(?P<resample>\d+)/(?P<subject>\w+)\.nii", r"write the group 'size' as (?P<size>\d+)"),
        (r"(?P<subject>\d+)(_s(?P<size>\d+)_(?P<resample>\d+))?\.nii", "matches 01.nii without its group"),
        (r"(?P<fold>\d)/(?P<subject>\w+)\.nii", "has the group 'fold'; use subject, session, size and resample"),
    ],
)
def test_a_pattern_that_cannot_tell_is_refused(masks, pattern, said):
    with pytest.raises(UserError) as caught:
        masks("01.nii", pattern=pattern)
    assert said in str(caught.value)


def test_two_masks_of_one_scan_are_refused(masks):
    with pytest.raises(UserError, match=r"a/01.nii and .*b/01.nii are both the mask of 01; move one away"):
        masks("a/01.nii", "b/01.nii", pattern=r"\w/(?P<subject>\w+)\.nii")


def test_a_folder_is_within_the_data_and_exists(tmp_path):
    entry = {"folder": "nowhere", "pattern": r"(?P<subject>\w+)\.nii"}
    with pytest.raises(UserError, match=r"net.folder is relative; set data"):
        find.find("t", "net", entry, TESTS, None)
    with pytest.raises(UserError, match=r"nowhere does not exist; correct targets.t.external.net.folder"):
        find.find("t", "net", entry, TESTS, tmp_path)


@pytest.fixture
def study(tmp_path):
    """A configuration with two targets and masks for both."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "01.nii").touch()
    entry = {"folder": "one", "pattern": r"(?P<subject>\w+)\.nii"}
    target = {"classes": {"lesion": [1]}}
    return {
        "pretrain": {"sources": {"scratch": {}, "t1": {}}},
        "targets": {"a": {**target, "external": {"rater": entry}}, "b": {**target}},
    }


def found(study, tmp_path):
    return find.of_study(study, {("a", 0, 1): ["01"], ("a", 2, 1): ["01"], ("b", 2, 1): ["01"]}, tmp_path)


def test_a_study_has_competitors_by_target_at_sizes_with_training(study, tmp_path):
    masks, trained = found(study, tmp_path)
    assert list(masks["a"]["rater"].masks) == [(2, 1)]
    assert masks["b"] == {}
    assert trained == {"rater": False}


def test_a_competitor_has_a_name_of_its_own_the_targets_classes_and_one_kind(study, tmp_path):
    external = study["targets"]["a"]["external"]
    study["targets"]["a"]["external"] = {"t1": external["rater"]}
    with pytest.raises(UserError, match=r"targets.a.external.t1 has the name of a source .*; rename it"):
        found(study, tmp_path)
    study["targets"]["a"]["external"] = {"rater": {**external["rater"], "classes": {"stroke": [1]}}}
    with pytest.raises(UserError, match=r"rater.classes must name the target's classes, lesion; correct it"):
        found(study, tmp_path)
    study["targets"]["a"]["external"] = external
    (tmp_path / "two/2-1-01.nii").touch()
    pattern = r"(?P<size>\d)-(?P<resample>\d)-(?P<subject>\w+)\.nii"
    study["targets"]["b"]["external"] = {"rater": {"folder": "two", "pattern": pattern}}
    with pytest.raises(UserError, match=r"targets.b.external.rater is trained .* in one target and not in another"):
        found(study, tmp_path)
