"""What must never come into the project: code that data could run, the network, shells, secrets."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
import secrets_scan
import yaml

ROOT = Path(__file__).parents[1]
CODE = sorted((ROOT / "workflow_scripts").rglob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
# Modules whose reading runs what a file says, or that reach the network or a shell.
BARRED = {"marshal", "shelve", "dill", "cloudpickle", "joblib"} | {
    "urllib", "urllib3", "requests", "http", "socket", "ftplib", "httpx", "aiohttp", "smart_open", "fsspec"
}  # fmt: skip
# Functions whose bare use runs text or unpickles: each with the keyword and the value that make it safe, if one does.
UNSAFE = {
    "eval": None, "exec": None, "compile": None, "__import__": None, "system": None, "popen": None,
    "pickle.load": None, "pickle.loads": None, "pickle.Unpickler": None, "yaml.load": None, "yaml.unsafe_load": None,
    "pd.read_pickle": None, "os.system": None, "os.popen": None,
    "torch.load": ("weights_only", True), "np.load": ("allow_pickle", False),
}  # fmt: skip


def called(node):
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def faults(source):
    """What a file of Python does that is barred."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        yield from (f"imports {name}" for name in names if name.split(".")[0] in BARRED)
        if (name := called(node)) in UNSAFE:
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            safe = UNSAFE[name]
            if safe is None or given.get(safe[0]) != repr(safe[1]):
                yield f"calls {name}"
        if isinstance(node, ast.Call) and any(
            keyword.arg == "shell" and ast.unparse(keyword.value) != "False" for keyword in node.keywords
        ):
            yield f"{called(node)} in a shell"


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_a_file_says_or_asks_the_network(path):
    assert list(faults(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)", "torch.load(path, weights_only=False)", "np.load(path)", "pickle.load(file)",
        "yaml.load(text)", "eval(text)", "import requests", "from urllib.request import urlopen",
        "subprocess.run(words, shell=True)",
    ],
)  # fmt: skip
def test_the_scan_finds_what_is_barred(source):
    assert len(list(faults(source))) == 1


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_value_reaches_a_shell_since_rules_run_scripts_alone(path):
    used = re.findall(r"^\s+(shell|run|wrapper|cwl|notebook|template_engine):", path.read_text(), re.M)
    assert used == []


def test_no_file_of_the_project_holds_a_secret():
    assert secrets_scan.found(ROOT) == []


@pytest.mark.parametrize(
    "line",
    [
        "key = '" + "AKIA" + "Q" * 16 + "'",
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        "token: ghp" + "_" + "a1B2" * 9,
        "password = " + '"correct horse battery"',
        "https://someone:" + "hunter22@example.org/x",
    ],
)
def test_a_secret_is_found(tmp_path, line):
    (tmp_path / "settings.yaml").write_text(f"first: line\n{line}\n")
    ((path, number),) = secrets_scan.scan([tmp_path / "settings.yaml"])
    assert path.name == "settings.yaml" and number == 2


def test_the_conda_environment_is_the_locks():
    spec = importlib.util.spec_from_file_location("environment", ROOT / "envs/environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.environment((ROOT / "envs/requirements.txt").read_text())
    assert (ROOT / "envs/environment.yaml").read_text() == made
    packages = yaml.safe_load(made)["dependencies"][-1]["pip"]
    assert "snakemake==9.27.1" in packages and all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", each) for each in packages)


@pytest.mark.parametrize("image", ["Dockerfile", "headstart.def"])
def test_images_install_what_the_lock_says_and_run_snakemake_as_nobody_special(image):
    text = (ROOT / "envs" / image).read_text()
    assert re.findall(r"pip install (.+)", text) == ["--no-cache-dir --requirement /opt/requirements.txt"]
    assert re.search(r'ENTRYPOINT \["snakemake"\]|exec snakemake "\$@"', text)
    # Apptainer's containers run as who starts them.
    assert image.endswith(".def") or re.search(r"^USER headstart$", text, re.M)
    # Without a name, which another user given to Docker has not, Snakemake does not start.
    assert image.endswith(".def") or re.search(r"^ENV .*\bUSER=", text, re.M)


def test_the_forge_runs_pinned_actions_on_the_python_of_the_lock():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    steps = [step for each in jobs.values() for step in each["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)
    pythons = {step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {})}
    assert pythons == {"3.11"} and any("pip-audit" in step.get("run", "") for step in steps)
