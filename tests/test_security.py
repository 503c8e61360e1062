"""What the project must not contain: ways to run code from data, network access, shells, secrets."""

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
# Modules that run code when they read a file, or that access the network or a shell.
BANNED = {"marshal", "shelve", "dill", "cloudpickle", "joblib"} | {
    "urllib", "urllib3", "requests", "http", "socket", "ftplib", "httpx", "aiohttp", "smart_open", "fsspec"
}  # fmt: skip
HARMLESS = {"urllib.parse"}  # takes addresses apart and opens none
# Functions that run text or unpickle, each with the keyword and the value that make it safe, if there is one.
UNSAFE = {
    "eval": None, "exec": None, "compile": None, "__import__": None, "system": None, "popen": None,
    "pickle.load": None, "pickle.loads": None, "pickle.Unpickler": None, "yaml.load": None, "yaml.unsafe_load": None,
    "pd.read_pickle": None, "os.system": None, "os.popen": None,
    "torch.load": ("weights_only", True), "np.load": ("allow_pickle", False),
}  # fmt: skip


def called(node):
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def violations(source):
    """What Python code does that is banned."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        yield from (f"imports {name}" for name in names if name.split(".")[0] in BANNED and name not in HARMLESS)
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
def test_no_module_runs_code_from_files_or_uses_the_network(path):
    assert list(violations(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)", "torch.load(path, weights_only=False)", "np.load(path)", "pickle.load(file)",
        "yaml.load(text)", "eval(text)", "import requests", "from urllib.request import urlopen",
        "subprocess.run(words, shell=True)",
    ],
)  # fmt: skip
def test_each_violation_is_found(source):
    assert len(list(violations(source))) == 1


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_run_scripts_only_so_that_no_value_reaches_a_shell(path):
    used = re.findall(r"^\s+(shell|run|wrapper|cwl|notebook|template_engine):", path.read_text(), re.M)
    assert used == []


def test_no_file_of_the_project_contains_a_secret():
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
    assert path.name == "settings.yaml"
    assert number == 2


def test_the_conda_environment_is_made_from_the_lock():
    spec = importlib.util.spec_from_file_location("environment", ROOT / "envs/environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.environment((ROOT / "envs/requirements.txt").read_text())
    assert (ROOT / "envs/environment.yaml").read_text() == made
    packages = yaml.safe_load(made)["dependencies"][-1]["pip"]
    assert "snakemake==9.27.1" in packages
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", each) for each in packages)


@pytest.mark.parametrize("image", ["Dockerfile", "headstart.def"])
def test_images_install_the_lock_and_run_snakemake_without_privileges(image):
    text = (ROOT / "envs" / image).read_text()
    assert re.findall(r"pip install (.+)", text) == ["--no-cache-dir --requirement /opt/requirements.txt"]
    assert re.search(r'ENTRYPOINT \["snakemake"\]|exec snakemake "\$@"', text)
    # Apptainer's containers run as the user who starts them.
    assert image.endswith(".def") or re.search(r"^USER headstart$", text, re.M)
    # Snakemake does not start without a user name, which a user given to Docker by number lacks.
    assert image.endswith(".def") or re.search(r"^ENV .*\bUSER=", text, re.M)


def test_continuous_integration_runs_pinned_actions_on_the_python_of_the_lock():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    steps = [step for each in jobs.values() for step in each["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)
    pythons = {step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {})}
    assert pythons == {"3.11"}
    assert any("pip-audit" in step.get("run", "") for step in steps)
