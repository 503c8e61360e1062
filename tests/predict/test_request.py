import pytest

from headstart.predict import request


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Settings for two new scans, one with capitals in its ending, and a model that is not looked at."""
    monkeypatch.setattr(request, "read_metadata", lambda folder: {})
    (tmp_path / "new").mkdir()
    for name in ("a.nii.gz", "B_T1W.NII.GZ"):
        (tmp_path / "new" / name).touch()
    return {"model": "m", "folder": str(tmp_path / "new"), "pattern": None, "exclude": []}


def test_capitals_in_endings_do_not_matter(settings, caplog):
    assert set(request.read_request(settings).scans) == {"a", "B"}
    assert not caplog.text


def test_an_image_that_gets_no_mask_is_named(settings, tmp_path, caplog):
    for name in ("c.mgz", "deeper/d.nii.gz", "notes.txt"):
        (tmp_path / "new" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "new" / name).touch()
    assert set(request.read_request(settings).scans) == {"a", "B"}
    assert "predict: images that match no pattern and are not read: 2 (c.mgz, deeper/d.nii.gz)" in caplog.text
