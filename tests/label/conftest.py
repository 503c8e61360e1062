import fake_fsl as stand_in
import pytest


@pytest.fixture
def fake_fsl(tmp_path, monkeypatch) -> stand_in.FakeFsl:
    """A stand-in for FSL, found by FSLDIR."""
    installed = stand_in.install(tmp_path / "fsl")
    monkeypatch.setenv("FSLDIR", str(installed.root))
    return installed
