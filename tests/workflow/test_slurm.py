"""The pipeline on a real Slurm cluster: this machine with two imitated GPUs, see tests/slurm/cluster.sh."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

CLUSTER = Path(__file__).parents[1] / "slurm/cluster.sh"
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
PARTITIONS = {"partitions": {"cpu": {"max_mem_mb": 256000}, "gpu": {"max_mem_mb": 256000, "max_gpu": 2}}}
ARGUMENTS = (
    *("--profile", "profiles/slurm", "--slurm-partition-config", "partitions.yaml", "--slurm-keep-successful-logs"),
    # Sooner than on a large cluster.
    *("--slurm-init-seconds-before-status-checks", "2", "--max-status-checks-per-second", "1", "--latency-wait", "5"),
    # Too little for it at first.
    *("--set-resources", "prepare_template:mem_mb=400 if attempt < 2 else 4000"),
)
# This cluster keeps no accounts: this answers for sacct, and gives no answer to the fourth to the fifteenth question.
SACCT = """
echo "$*" >>sacct.asked
[ "$(wc -l <sacct.asked)" -le 3 ] || [ "$(wc -l <sacct.asked)" -gt 15 ] || exit 1
for name; do :; done
squeue --noheader --states=all --name="$name" --format='%i|%T'
"""
# States of a job that is not over yet.
GOING = ("RUNNING", "COMPLETING")

# The limit is for all that the first of them waits for.
pytestmark = [pytest.mark.workflow, pytest.mark.slurm, pytest.mark.timeout(1800)]


@pytest.fixture(scope="session", autouse=True)
def cluster():
    """Slurm's daemons, while these tests run; from before anything starts Snakemake, which would wait for them."""
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons are started by root only")
    if missing := [tool for tool in NEEDED if not shutil.which(tool)]:
        pytest.skip(f"no {', '.join(missing)} here; tests/slurm/cluster.sh install puts them on a Debian machine")
    started = subprocess.run([CLUSTER, "start"], capture_output=True, text=True)
    if "another cluster's" in started.stderr:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    yield
    subprocess.run([CLUSTER, "stop"], check=True)


def slurm_jobs():
    """The metadata of each job that Slurm remembers, by the names that it gives them."""
    shown = subprocess.run(["scontrol", "show", "job", "--oneliner"], capture_output=True, text=True).stdout
    return [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in shown.splitlines() if line.startswith("JobId=")]


def training(results, source):
    """The number of a running Slurm job that fine-tunes from a source and has kept a state; None if there is none."""
    for state in (results / "states/stroke" / source).glob("[!.]*.state"):
        comment = f"rule_finetune_stroke_wildcards_stroke_{source}_{re.search(r'size-([0-9]+)', state.name)[1]}"
        for job in slurm_jobs():
            if job["JobState"] == "RUNNING" and job["Comment"] == comment:
                return job["JobId"]
    return None


def stopped(number):
    """Wait until a job no longer runs; whether that came before its end."""
    while (state := next(job["JobState"] for job in slurm_jobs() if job["JobId"] == number)) in GOING:
        time.sleep(0.3)
    return state != "COMPLETED"


def kill(number):
    """Kill a job's processes; whether that came before its end."""
    subprocess.run(["scancel", "--signal=KILL", number], check=True)
    return stopped(number)


def lose_node(number):
    """Take a job's node away, as if it had died, and give it back; whether that came before the job's end."""
    node = f"NodeName={os.uname().nodename}"
    subprocess.run(["scontrol", "update", node, "State=DOWN", "Reason=test"], check=True)
    early = stopped(number)
    # A node that is well comes back of itself, sooner than this at times, and cannot be resumed then.
    while subprocess.run(["sinfo", "--Node", "--noheader", "--states=down"], capture_output=True, check=True).stdout:
        subprocess.run(["scontrol", "update", node, "State=RESUME"], check=False)
        time.sleep(0.3)
    return early


def kill_left(folder):
    """Kill what still runs in a folder: Slurm forgets what ran on a node that it lost, and this one did not die."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cwd").readlink().is_relative_to(folder) and int(place.name) != os.getpid():
                os.kill(int(place.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def submitted(new_project, tmp_path_factory, imitate):
    """The tiny study on the cluster, of whose trainings one is killed and one loses its node."""
    copied = new_project(tmp_path_factory.mktemp("slurm"))
    (copied.folder / "partitions.yaml").write_text(yaml.safe_dump(PARTITIONS))
    study = yaml.safe_load((copied.folder / "tiny.yaml").read_text())
    # The state of each step, so that a training is seen to have begun, and has something to go on from.
    study["training"] = {"checkpoint_minutes": 0}
    (copied.folder / "tiny.yaml").write_text(yaml.safe_dump(study))
    faults = {"scratch": kill, "t1-segmentation": lose_node}
    done = {}
    with open(copied.folder / "said", "w") as said, pytest.MonkeyPatch.context() as patched:
        imitate(patched, copied.folder, {"sacct": SACCT})
        running = copied.begin(*ARGUMENTS, said=said)
        try:
            while running.poll() is None:
                for source in faults.keys() - done.keys():
                    if (number := training(copied.results, source)) and faults[source](number):
                        done[source] = number
                time.sleep(0.3)
        finally:
            running.kill()
            # Shown if it failed.
            subprocess.run(["sinfo"], check=False)
            print(*slurm_jobs(), (copied.folder / "said").read_text()[-4000:], sep="\n")
            kill_left(copied.folder)
    assert running.returncode == 0
    return copied, done, slurm_jobs()


def test_an_account_that_is_not_there_is_named(bare_project, monkeypatch, imitate):
    """An account of which Slurm knows nothing: named in a sentence, nothing submitted."""
    imitate(monkeypatch, bare_project.folder, {"sacctmgr": "echo ours"})
    done = bare_project.snakemake("--profile", "profiles/slurm", "--default-resources", "slurm_account=theirs")
    assert done.returncode == 1
    assert "The given account theirs appears to be invalid." in done.stderr
    assert "submitted" not in done.stderr


def test_the_study_ends_in_the_same_bytes_as_on_a_workstation(project, submitted):
    """A Slurm cluster, with the faults below: in the end the same bytes as of a run on one machine."""
    assert submitted[0].outcome() == project.outcome()


def test_jobs_are_not_forgotten_while_accounting_does_not_answer(project, submitted):
    """Accounting (sacct) that does not answer twelve times in a row: asked again, the same bytes."""
    copied = submitted[0]
    assert len((copied.folder / "sacct.asked").read_text().splitlines()) > 15
    assert copied.outcome() == project.outcome()


def test_work_was_done_by_slurm_and_trainings_asked_for_a_gpu(submitted):
    copied, _, jobs = submitted
    for job in jobs:
        trains = re.match("rule_(tune|finetune|segment)_stroke|rule_pretrain_source_wildcards_t1", job["Comment"])
        asked = job["Partition"], job.get("TresPerJob")
        assert asked == (("gpu", "gres:gpu:1") if trains else ("cpu", None)), job["Comment"]
    names = {job["Comment"].removeprefix("rule_").partition("_wildcards_")[0] for job in jobs}
    assert names >= {
        "prepare_template",
        "pretrain_source",
        "tune_stroke",
        "finetune_stroke",
        "segment_stroke",
        "evaluate_stroke",
        "draw_scores",
    }
    # A group's name ends with that of its rule.
    grouped = ("make_subject", "register_scan", "resample_target", "label_scan")
    assert all(any(name.endswith(f"_{rule}") for name in names) for rule in grouped), names
    logs = list((copied.folder / ".snakemake/slurm_logs").rglob("*.log"))
    assert {path.stem for path in logs} == {job["JobId"] for job in jobs}


def test_a_job_over_its_memory_was_given_more(project, submitted):
    """A job over its memory, which Slurm ends: submitted again with more by itself; the same bytes."""
    asked = [job for job in submitted[2] if job["Comment"] == "rule_prepare_template"]
    assert [(job["MinMemoryNode"], job["JobState"] == "COMPLETED") for job in asked] == [
        ("400M", False),
        ("4000M", True),
    ]
    assert submitted[0].outcome() == project.outcome()


def test_trainings_went_on_that_were_killed_or_lost_their_node(project, submitted):
    """A training killed (SIGKILL), and one whose node was lost: submitted again, and put back into the queue, by
    themselves; both went on from the last state they kept, to the same bytes.
    """
    copied, done, jobs = submitted
    assert set(done) == {"scratch", "t1-segmentation"}
    by_number = {job["JobId"]: job for job in jobs}
    killed, requeued = by_number[done["scratch"]], by_number[done["t1-segmentation"]]
    assert killed["JobState"] == "CANCELLED"
    assert requeued["JobState"] == "COMPLETED"
    assert requeued["Restarts"] == "1"
    again = [job for job in jobs if job["Comment"] == killed["Comment"] and job["JobState"] == "COMPLETED"]
    assert [job["MinMemoryNode"] for job in again] == ["16000M"]
    assert killed["MinMemoryNode"] == "8000M"
    # The requeued one may have ended within the time that Slurm gives a job to end.
    size = killed["Comment"].rpartition("_")[2]
    log = (copied.results / f"logs/finetune/stroke/scratch/size-{size}.log").read_text()
    assert "resuming after epoch 0 of 1" in log
    assert not list(copied.results.rglob("*.state"))
    assert copied.outcome() == project.outcome()
