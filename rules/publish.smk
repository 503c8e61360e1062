# A fine-tuned model packed for other projects: `snakemake publish`. The model is a parameter and not an input, so that
# Snakemake never trains it for this; the study must have been run.

import functools
from dataclasses import asdict

from headstart.publish import terms

PUBLISHED = f"{RESULTS}/published/{{name}}"


@functools.cache
def chosen():
    """The model to publish, read only when it is asked for; an error ends the run in one sentence."""
    # Each start of Snakemake would take a second longer for the statistics that this needs.
    from headstart.publish import choice

    try:
        return choice.read_choice(config["publish"], TARGETS, RESULTS)
    except job.UserError as error:
        # Snakemake would add a traceback to the error of an input function.
        sys.exit(f"headstart: publish: {error}")


def chosen_as(name):
    """The model to publish, which must have this name: files may be asked for by their paths."""
    if chosen().name != name:
        sys.exit(f"headstart: publish: {chosen().name} is chosen, not {name}; set publish.target and publish.source.")
    return chosen()


def people_tested(target):
    """Number of participants whose scans a target tests."""
    scans = SCANS[TARGETS[target]["dataset"]]
    return len({scans[subject].person for subject in scans_tested(target)})


def study_of(target, source):
    """What the card says of the study, see headstart.publish.card.Study."""
    return {
        "name": config["study"],
        "people": people_tested(target),
        "overlap": leaks.of_source([overlap for overlap in OVERLAPS if overlap.target == target], source, SOURCES),
        "terms": terms.of_model(config, sources.lineage(source, SOURCES), target, BACKENDS),
    }


rule publish_model:
    output:
        f"{PUBLISHED}/README.md",
        f"{PUBLISHED}/model.json",
        f"{PUBLISHED}/model.safetensors",
        f"{PUBLISHED}/encoder.safetensors",
        f"{PUBLISHED}/network.pt2",
    log:
        f"{RESULTS}/logs/publish_model/{{name}}.log",
    wildcard_constraints:
        name="[A-Za-z0-9-]+",
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        code=code_of("publish_model"),
        choice=lambda wildcards: asdict(chosen_as(wildcards.name)),
        study=lambda wildcards: study_of(chosen().target, SOURCES[chosen().source]),
    script:
        "../workflow_scripts/publish_model.py"


rule publish:
    input:
        lambda wildcards: expand(rules.publish_model.output, name=chosen().name),
