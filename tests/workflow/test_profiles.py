"""Profiles, as far as they can be looked at without the clusters that they are for."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.yaml"))
TEXTS = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
_RULE = r"^(?:use rule \w+ as|rule) (\w+)(?: with)?:\n((?:(?: .*)?\n)*)"
# Rules that exist once for each first image: that of a T1 has the plain name, and profiles know that of a FLAIR too.
_RULE_OF_FIRST = r'^    rule:\n        name:\n            named_after\(first, "(\w+)"\)\n((?:(?:     .*)?\n)*)'
# Those of synthetic subjects, for their images.
_MAKER = r"^    rule:\n        name:\n            (maker_of)\(images\)\n((?:(?:     .*)?\n)*)"
RULES = {name: body for text in TEXTS for name, body in re.findall(_RULE, text, re.M)}
for text in TEXTS:
    for name, body in re.findall(_RULE_OF_FIRST, text, re.M):
        RULES |= {name: body} | ({f"{name}_FLAIR": body} if "register" in name else {})
    for _, body in re.findall(_MAKER, text, re.M):
        RULES |= {"make_subject": body, "make_subject_with_flair": body}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_names_rules_that_exist_and_groups_of_a_size(name):
    profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
    groups = profile.get("groups", {})
    assert {*groups, *profile.get("set-resources", {})} <= RULES.keys()
    assert set(groups.values()) == set(profile.get("group-components", {}))
    # Jobs of one group run together, so a group of two rules could wait for itself.
    assert len(set(groups.values())) == len(groups)


@pytest.mark.parametrize("name", ["slurm", "generic"])
def test_clusters_get_the_work_on_single_scans_in_groups(name):
    single = {rule for rule, body in RULES.items() if re.search(r"^ +log:\n.*sub-{{subject}}", body, re.M)}
    profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
    assert {"register_scan", "label_scan_fsl"} < single == profile["groups"].keys()


@pytest.mark.workflow
@pytest.mark.parametrize("name", PROFILES)
def test_snakemake_takes_a_profile(bare_project, name):
    planned = bare_project.to_run("--profile", f"profiles/{name}")
    assert planned["register_scan"] == 7
    assert planned["finetune_stroke"] == 4


def test_the_kubernetes_job_asks_for_what_its_snakemake_is_told():
    job = yaml.safe_load((ROOT / "profiles/kubernetes/study.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    told = container["command"][-1]
    asked = container["resources"]
    assert f"--cores {asked['requests']['cpu']} --resources gpu={asked['limits']['nvidia.com/gpu']} " in told
    assert int(re.search(r"mem_mb=(\d+)", told)[1]) < 1024 * int(asked["limits"]["memory"].removesuffix("Gi"))
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("name", ["slurm", "generic"])
def test_no_group_asks_for_a_gpu_for_each_of_its_jobs(name):
    """Snakemake adds up the GPUs of the jobs of a group that run at once: eight."""
    profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
    asking = {rule for rule in profile["groups"] if re.search(r"\bgpu=[1-9]", RULES[rule])}
    assert asking
    told = profile["set-resources"]
    assert {rule: told[rule]["gpu"] for rule in asking} == dict.fromkeys(asking, 0)
