# Finished studies side by side: `snakemake compare`. Their results are parameters and not inputs, so that Snakemake never
# runs a study for this; nothing here needs their configuration files.

import functools

from headstart.compare import files

COMPARISON = f"{config['results']}/compare/{{studies}}"


@functools.cache
def studies_compared():
    """Name of the comparison, and hashes of the results; an error ends the run in one sentence."""
    # Each start of Snakemake would take a second longer for the statistics that this needs.
    from headstart.compare import finished

    try:
        return finished.name_of(config["studies"]), finished.digests(config["studies"], config["results"])
    except job.UserError as error:
        # Snakemake would add a traceback to the error of an input function.
        sys.exit(f"headstart: compare: {error}")


def digests_of(name):
    """Hashes of the results of the studies, whose comparison must have this name: files may be asked for by paths."""
    known, digests = studies_compared()
    if known != name:
        sys.exit(f"headstart: compare: studies names {known}, not {name}; set studies.")
    return digests


rule compare_studies:
    output:
        [f"{COMPARISON}/{file}" for file in files.FILES],
    log:
        f"{COMPARISON}/compare_studies.log",
    wildcard_constraints:
        # The joint keeps the results of a study called compare apart.
        studies=rf"[A-Za-z0-9.-]+({files.JOINT}[A-Za-z0-9.-]+)+",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        code=code_of("compare_studies"),
        studies=config["studies"],
        results=config["results"],
        digests=lambda wildcards: digests_of(wildcards.studies),
        draws=config["evaluate"]["bootstrap"],
        seed=config["seed"],
    script:
        "../workflow_scripts/compare_studies.py"


rule compare:
    input:
        lambda wildcards: expand(rules.compare_studies.output, studies=studies_compared()[0]),
