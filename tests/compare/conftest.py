import pytest

from headstart.compare import finished, page, pairs, shared


@pytest.fixture
def compared(tmp_path):
    """Compare the studies in the folder ``tmp_path`` on their one target: ``compared(studies)``."""

    def compare(studies, margin=0.02):
        ((target, parts),) = finished.read(studies, str(tmp_path)).items()
        found = shared.shared(target, parts)
        return page.Answer(found, pairs.compare(found, margin, 400, 1), margin)

    return compare
