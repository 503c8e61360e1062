import pytest
from bad_folders import Folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return Folder(tmp_path / "set")
