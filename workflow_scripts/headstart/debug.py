"""Run the script of a rule in this process, for example in a debugger.

    PYTHONPATH=workflow_scripts python -m pdb -m headstart.debug register_scan dataset=cohort subject=01

runs it, from the project's folder, with the ``snakemake`` object that Snakemake would give it; ``--configfile`` names a
study. Its input files must exist. This is the only module of the package that needs Snakemake.
"""

import argparse
import runpy
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.job import UserError

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake

# The project's folder.
ROOT = Path(__file__).resolve().parents[2]


def mock_snakemake(rule: str, configfiles: Iterable[str | Path] = (), **wildcards: str) -> "Snakemake":
    """The ``snakemake`` object that the script of a rule sees, for these values of the rule's wildcards.

    ``configfiles``: studies that are laid over the default study. No file is read but those that planning reads.
    Raises :class:`UserError` if there is no such rule, or if its wildcards are others.
    """
    mocked, _ = _mock(rule, configfiles, wildcards)
    return mocked


def run_script(script: Path, snakemake: object) -> None:
    """Run a script as Snakemake does, with ``snakemake`` among its global variables."""
    runpy.run_path(str(script), {"snakemake": snakemake})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script of the rule that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m headstart.debug", description=__doc__.partition("\n")[0])
    parser.add_argument("rule", help="name of the rule")
    parser.add_argument("wildcards", nargs="*", metavar="wildcard=value", help="value of each wildcard of the rule")
    parser.add_argument("--configfile", action="append", default=[], help="a study (default: the default study)")
    options = parser.parse_args(arguments)
    try:
        wildcards = {name: value for name, _, value in (each.partition("=") for each in options.wildcards)}
        mocked, script = _mock(options.rule, options.configfile, wildcards)
    except UserError as error:
        sys.exit(f"headstart: debug: {error}")
    for path in mocked.output:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    run_script(script, mocked)


def _mock(name: str, configfiles: Iterable[str | Path], wildcards: dict[str, str]) -> tuple["Snakemake", Path]:
    """The ``snakemake`` object for the script of a rule, and the script."""
    # snakemake.api comes first: the other modules cannot be imported without it.
    from snakemake import api
    from snakemake.dag import DAG
    from snakemake.iocontainers import Snakemake
    from snakemake.jobs import Job
    from snakemake.logging import LoggerManager, logger
    from snakemake.settings import types

    output_settings = types.OutputSettings()
    workflow = api.Workflow(
        config_settings=types.ConfigSettings(configfiles=[Path(path) for path in configfiles]),
        resource_settings=types.ResourceSettings(cores=1),
        workflow_settings=types.WorkflowSettings(),
        logger_manager=LoggerManager(logger, output_settings),
        storage_settings=types.StorageSettings(),
        dag_settings=types.DAGSettings(),
        deployment_settings=types.DeploymentSettings(),
        output_settings=output_settings,
        group_settings=types.GroupSettings(),
        storage_provider_settings={},
    )
    try:
        workflow.include(ROOT / "Snakefile", overwrite_default_target=True)
        rules = {rule.name: rule for rule in workflow.rules}
        if name not in rules or not rules[name].script:
            raise UserError(f"{name} is not a rule with a script; see `snakemake --list-rules`.")
        rule = rules[name]
        if wildcards.keys() != rule.wildcard_names:
            wanted = " ".join(f"{each}=..." for each in sorted(rule.wildcard_names)) or "no wildcards"
            raise UserError(f"{name} takes other wildcards; give {wanted}.")
        job = Job(rule, DAG(workflow, rules=[rule]), wildcards)
        script = Path(rule.basedir.get_path_or_uri(secret_free=True), rule.script).resolve()
        mocked = Snakemake(
            job.input,
            job.output,
            job.params,
            job.wildcards,
            job.threads,
            job.resources,
            job.log,
            workflow.globals["config"],
            name,
            bench_iteration=None,
            scriptdir=str(script.parent),
        )
    finally:
        workflow.tear_down()
    return mocked, script


if __name__ == "__main__":
    main()
