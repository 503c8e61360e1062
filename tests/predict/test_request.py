import pytest

from headstart.job import UserError
from headstart.predict import request


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Settings for two new scans, one with capitals in its ending, and a model that is not looked at."""
    monkeypatch.setattr(request, "read_metadata", lambda folder: {})
    (tmp_path / "new").mkdir()
    for name in ("a.nii.gz", "B_T1W.NII.GZ"):
        (tmp_path / "new" / name).touch()
    return {"model": "m", "folder": str(tmp_path / "new"), "pattern": None, "patterns": {}, "exclude": []}


def test_capitals_in_endings_do_not_matter(settings, caplog):
    assert set(request.read_request(settings).scans) == {"a", "B"}
    assert not caplog.text


def test_an_image_that_gets_no_mask_is_named(settings, tmp_path, caplog):
    for name in ("c.mgz", "deeper/d.nii.gz", "notes.txt"):
        (tmp_path / "new" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "new" / name).touch()
    assert set(request.read_request(settings).scans) == {"a", "B"}
    assert "predict: images that match no pattern and are not read: 2 (c.mgz, deeper/d.nii.gz)" in caplog.text


@pytest.fixture
def flair(settings, tmp_path, monkeypatch):
    """Settings for a model that sees T1 and FLAIR, and a scan that has both."""
    monkeypatch.setattr(request, "read_metadata", lambda folder: {"images": ["T1w", "FLAIR"]})
    for path in (tmp_path / "new").iterdir():
        path.unlink()
    for image in ("T1w", "FLAIR"):
        (tmp_path / f"new/sub-a_{image}.nii.gz").touch()
    return settings


def test_a_model_of_several_images_finds_them_by_their_names(flair, caplog):
    scans = request.read_request(flair).scans
    assert {image: path.name for image, path in scans["a"].images.items()} == {
        "T1w": "sub-a_T1w.nii.gz",
        "FLAIR": "sub-a_FLAIR.nii.gz",
    }
    assert not caplog.text


def test_a_model_of_flair_alone_needs_the_t1_that_it_is_registered_to():
    assert request.images_needed({"images": ["FLAIR"]}) == ["T1w", "FLAIR"]
    assert request.images_needed({}) == ["T1w"]


def test_a_model_of_scans_without_a_t1_needs_none(settings, tmp_path, monkeypatch):
    metadata = {"first_image": "FLAIR", "images": ["FLAIR"]}
    monkeypatch.setattr(request, "read_metadata", lambda folder: metadata)
    (tmp_path / "new/B_T1W.NII.GZ").rename(tmp_path / "new/sub-B_FLAIR.nii.gz")
    scans = request.read_request(settings).scans
    assert {subject: list(scan.images) for subject, scan in scans.items()} == {"a": ["FLAIR"], "B": ["FLAIR"]}
    assert request.images_needed(metadata | {"images": ["T1w"]}) == ["FLAIR", "T1w"]


def test_further_images_can_have_any_names(flair, tmp_path):
    (tmp_path / "new/sub-a_FLAIR.nii.gz").rename(tmp_path / "new/a-dark-fluid.nii.gz")
    flair["patterns"] = {"FLAIR": r"(?P<subject>\w)-dark-fluid\.nii\.gz"}
    assert request.read_request(flair).scans["a"].others["FLAIR"].name == "a-dark-fluid.nii.gz"


def test_scans_without_an_image_and_images_that_the_model_does_not_see_are_refused(flair, tmp_path):
    (tmp_path / "new/sub-b_T1w.nii.gz").touch()
    sentence = (
        r"predict: 1 of 2 scans lack an image: b \(FLAIR\); check the names of the files and predict.patterns, add"
    )
    with pytest.raises(UserError, match=sentence):
        request.read_request(flair)
    assert set(request.read_request(flair | {"exclude": ["b"]}).scans) == {"a"}
    with pytest.raises(UserError, match="predict.patterns names T2w, but the model needs T1w and FLAIR; remove it"):
        request.read_request(flair | {"patterns": {"T2w": "(?P<subject>x)"}})
