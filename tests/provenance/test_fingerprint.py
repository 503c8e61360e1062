import pytest

from headstart.provenance import fingerprint

TOP = """\
import sys
from headstart.below import low
from headstart.version import __version__

_REMEDY = "change it"

def f(value):
    if value != 1:
        raise UserError(f"the value is not one but {value}; {_REMEDY}.")
    if value == 3:
        sys.exit("three")
    logger.info("value is %s", value)
    return low.g()
"""


@pytest.fixture
def project(tmp_path):
    files = {
        "script.py": "from headstart import top\nprint(top)\n",
        "headstart/__init__.py": "",
        "headstart/top.py": TOP,
        "headstart/version.py": '__version__ = "0.1.0"\n',
        "headstart/below/__init__.py": "",
        "headstart/below/low.py": 'TABLE = "low.tsv"\n\ndef g():\n    """Say one."""\n    return 1\n',
        "headstart/below/low.tsv": "a\n1\n",
        "headstart/below/other.tsv": "b\n1\n",
        "headstart/apart.py": "x = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def of(project):
    for cached in (fingerprint.of_script, fingerprint.imports, fingerprint._module):
        cached.cache_clear()
    return fingerprint.of_script(project / "script.py")


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("headstart/below/low.py", "return 1", "return 2", True),
        ("headstart/top.py", "low.g()", "low.g() + 0", True),
        ("headstart/below/__init__.py", "", "y = 1\n", True),
        ("headstart/below/low.py", "return 1", "return 1  # one", False),
        ("headstart/below/low.py", "Say one.", "Return one.", False),
        ("headstart/below/low.py", "return 1", "\n    return 1", False),
        ("headstart/below/low.tsv", "1", "2", True),
        ("headstart/below/other.tsv", "1", "2", False),
        ("script.py", "print(top)", "print(top, 2)", True),
        ("script.py", "print(top)", "print(top)  # shown", False),
        ("headstart/apart.py", "1", "2", False),
        ("headstart/version.py", "0.1.0", "0.2.0", False),
        ("headstart/top.py", "is not one", "is two, not one", False),
        ("headstart/top.py", "raise UserError", "raise ValueError", True),
        ("headstart/top.py", "value is", "the value is", False),
        ("headstart/top.py", "change it", "correct it", False),
        ("headstart/top.py", "three", "3", False),
        ("headstart/top.py", "    logger.info", "    print(1)\n    logger.info", True),
    ],
)
def test_only_code_that_changes_results_changes_the_fingerprint(project, file, old, new, changes):
    before = of(project)
    path = project / file
    path.write_text(path.read_text().replace(old, new) if old else new)
    assert (of(project) != before) == changes


def test_an_import_inside_a_function_is_followed(project):
    before = of(project)
    top = project / "headstart/top.py"
    top.write_text(top.read_text().replace("return low", "from headstart import apart\n    return low"))
    after = of(project)
    (project / "headstart/apart.py").write_text("x = 3\n")
    assert len({before, after, of(project)}) == 3
