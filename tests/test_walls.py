"""Walls between packages: what an edit reruns, and which package may import which."""

import ast
import re
import shutil
from pathlib import Path

import pytest

from headstart.provenance import fingerprint

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"
PACKAGE = SCRIPTS / "headstart"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))
DRAWINGS = {name for name in NAMES if name.startswith("draw_")}
# What may import what: each package, or module beside the packages, only what stands before it or on its own line.
LAYERS = [
    {"version", "bids_version"},
    {"job"},
    {"image_pairs", "placement", "stand_ins"},
    {"image_files"},
    {"seeds", "images", "label_table"},
    {"metrics", "template"},
    {"phantom"},
    {"datasets"},
    {"slices"},
    {"sources", "consistency"},
    {"source_checks", "old_keys", "leaks", "without_labels"},
    {"settings"},
    {"register", "external"},
    {"label"},
    {"networks"},
    {"training"},
    {"labeller", "pretrain", "finetune", "as_pretrained"},
    {"tune"},
    {"evaluate"},
    {"report"},
    {"predict", "publish", "export", "compare", "provenance", "debug", "begin", "verdict"},
]


def imports(path, root=SCRIPTS):
    """Dotted names of the modules of headstart that a file imports."""
    return {".".join(file.relative_to(root).with_suffix("").parts) for file in fingerprint.imports(path, root)}


def changed_by(folder, edit):
    """The scripts whose fingerprint an edit of a copy of the code changes."""

    def prints():
        for cached in (fingerprint.of_script, fingerprint.imports, fingerprint._module):
            cached.cache_clear()
        return {name: fingerprint.of_script(folder / f"{name}.py") for name in NAMES}

    before = prints()
    edit(folder / "headstart")
    after = prints()
    return {name for name in NAMES if before[name] != after[name]}


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(SCRIPTS, tmp_path / "code", ignore=shutil.ignore_patterns("__pycache__"))


def replaced(file, pattern, new):
    """An edit: the first match of a pattern in a file replaced."""

    def edit(package):
        text, count = re.subn(pattern, new, (package / file).read_text(), count=1)
        assert count == 1, f"{file} has no {pattern}"
        (package / file).write_text(text)

    return edit


def new_layout(package):
    (package / "datasets/other.py").write_text("def scans(name, folder, entry):\n    return []\n")
    for pattern, new in (
        (r"from headstart.datasets import ", "from headstart.datasets import other, "),
        (r"LAYOUTS = \{\n", 'LAYOUTS = {\n    "other": Layout(other.scans, "*.nii", frozenset()),\n'),
    ):
        replaced("datasets/layouts.py", pattern, new)(package)


# Jobs beside the study, which are done when they are asked for.
BESIDE = {
    *("predict_scan", "tabulate_predictions", "gate_predictions", "publish_model"),
    *("export_scan", "export_target", "compare_studies"),
}


@pytest.mark.parametrize(
    ("edit", "reruns"),
    [
        pytest.param(replaced("report/scan_pictures.py", '"#E69F00"', '"#E69F01"'), DRAWINGS, id="a colour"),
        pytest.param(
            replaced("networks/model_card.py", "pre-trained by", "trained by"),
            {"pretrain_source"},
            id="a word of a card",
        ),
        pytest.param(
            replaced("register/quality_table.py", "not a T1", "no T1"),
            {"tabulate_quality", "tabulate_images", "gate_quality"},
            id="a word of a warning",
        ),
        pytest.param(
            replaced("datasets/bids.py", r'UserError\(\n?\s*f"', 'UserError(f"Oh: '), set(), id="an error of bids"
        ),
        pytest.param(new_layout, set(), id="a new layout"),
        pytest.param(replaced("job.py", r"the disk is full:", "no space:"), set(), id="an error of job"),
        pytest.param(replaced("version.py", r'"[\d.]+"', '"99"'), set(), id="the version"),
        pytest.param(replaced("register/affine.py", r'"""', '"""Differently: '), set(), id="a docstring"),
    ],
)
def test_an_edit_reruns_only_what_it_changes(copied, edit, reruns):
    changed = changed_by(copied, edit) - BESIDE
    assert changed == reruns


@pytest.mark.parametrize(
    ("file", "pattern", "new", "reruns"),
    [
        ("register/affine.py", r"np\.percentile\(", "1 * np.percentile(", {"register_scan"}),
        ("slices/cut.py", r"fineness \* \(n // 2\)", "fineness * (n // 2 + 0)", {"slice_scans"}),
        ("training/losses.py", r"return ", "return 1 * ", {"pretrain_source", "finetune_target"}),
        ("export/run_nnunet.sh", "PROCESSES:-4", "PROCESSES:-5", {"export_target"}),
        ("seeds.py", r">> 1", ">> 2", {"make_subject", "pretrain_source", "finetune_target"}),
    ],
)
def test_an_edit_of_what_is_computed_reruns_it(copied, file, pattern, new, reruns):
    assert reruns <= changed_by(copied, replaced(file, pattern, new))


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_a_package_opens_with_its_docstring_and_nothing_else(path):
    (only,) = ast.parse(path.read_text()).body
    assert isinstance(only, ast.Expr)
    listed = set(re.findall(r"``(\w+)``", ast.get_docstring(ast.parse(path.read_text()))))
    modules = {module.stem for module in path.parent.glob("*.py")} - {"__init__"}
    assert modules <= listed


def test_no_package_imports_a_later_stage():
    place = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    found = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert found <= place.keys()
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for module in imports(path):
            _, _, other = module.partition(".")
            other = other.partition(".")[0]
            if other not in ("", "__init__", own):
                assert place[other] < place[own], f"{path.relative_to(SCRIPTS)} imports {module}"


def test_no_modules_import_one_another():
    graph = {}
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__init__.py":
            name = ".".join(path.relative_to(SCRIPTS).with_suffix("").parts)
            graph[name] = {module for module in imports(path) if not module.endswith("__init__")}
    done = set()
    while ready := {name for name, needs in graph.items() if name not in done and needs <= done}:
        done |= ready
    assert graph.keys() == done, f"import circle among {sorted(graph.keys() - done)}"


@pytest.mark.parametrize("path", sorted(SCRIPTS.rglob("*.py")), ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_a_file_can_be_read_at_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 300
