"""Jobs submitted by `qsub`, of which an imitation runs them here: PBS as far as profiles/generic sees it."""

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.workflow

STATUS = Path(__file__).parents[2] / "profiles/generic/status.sh"

# Jobs run beside it and leave their exit status; the first group of jobs is killed before it does anything.
QSUB = """
cd "$(dirname "$0")/../jobs"
number=$(($(ls | grep -c 'asked$') + 1))
echo "$*" >$number.asked
for script; do :; done
case "$*" in
*GROUP*) [ -e killed ] || { touch killed; echo 265 >$number.code; echo $number; exit; } ;;
esac
(sh "$script" >$number.said 2>&1; echo $? >$number.code) >/dev/null 2>&1 &
echo $number
"""
QSTAT = """
cd "$(dirname "$0")/../jobs"
echo "Job Id: $3"
if [ -e $3.code ]; then
    printf '    job_state = F\\n    Exit_status = %s\\n' "$(cat $3.code)"
else
    echo '    job_state = R'
fi
"""


@pytest.fixture
def pbs(tmp_path, monkeypatch, imitate):
    """The folder where the imitation notes what it was asked for: ``<number>.asked``."""
    (tmp_path / "jobs").mkdir()
    imitate(monkeypatch, tmp_path, {"qsub": QSUB, "qstat": QSTAT})
    return tmp_path / "jobs"


def test_a_killed_group_of_jobs_is_submitted_again_with_more_memory(project, pbs, tmp_path):
    """A group of jobs killed on a cluster with qsub: submitted again with twice the memory and time, the same bytes."""
    copied = project.copy(tmp_path / "copy")
    made = [*copied.results.glob("derivatives/stroke/sub-*/anat/*_desc-target_dseg.nii.gz")]
    made.append(copied.results / "tables/participants.tsv")
    before = {path: path.read_bytes() for path in made}
    for path in made:
        path.unlink()
    done = copied.snakemake(
        *("--profile", "profiles/generic", "--until", "resample_target", "tabulate_participants", "--nolock"),
        *("--seconds-between-status-checks", "1", "--latency-wait", "5"),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert len(made) == 5
    assert {path: path.read_bytes() for path in made} == before
    asked = [re.sub(r"\S*/", "", path.read_text()) for path in sorted(pbs.glob("*.asked"))]
    wanted = sorted(re.search(r"-N (\S+) .* -l (select=\S+) -l (walltime=\S+)", line).groups() for line in asked)
    assert wanted == [
        ("hs_GROUP", "select=1:ncpus=2:mem=12000mb:ngpus=0", "walltime=0:40:0"),
        ("hs_GROUP", "select=1:ncpus=2:mem=6000mb:ngpus=0", "walltime=0:20:0"),
        ("hs_tabulate_participants", "select=1:ncpus=1:mem=4000mb:ngpus=0", "walltime=0:30:0"),
    ]


@pytest.mark.parametrize(
    ("scheduler", "tools", "word"),
    [
        ("pbs", {"qstat": "echo '    job_state = Q'"}, "running"),
        ("pbs", {"qstat": "printf '    job_state = F\\n    Exit_status = 0\\n'"}, "success"),
        ("pbs", {"qstat": "printf '    job_state = F\\n    Exit_status = -29\\n'"}, "failed"),  # over its time
        ("pbs", {"qstat": "printf '    job_state = F\\n'"}, "failed"),  # deleted before it began
        ("pbs", {"qstat": "exit 1"}, "running"),  # the server does not answer
        ("sge", {"qstat": "exit 0"}, "running"),
        ("sge", {"qstat": "exit 1", "qacct": "printf 'failed       0    \\nexit_status  0\\n'"}, "success"),
        ("sge", {"qstat": "exit 1", "qacct": "printf 'failed       0    \\nexit_status  137\\n'"}, "failed"),
        ("sge", {"qstat": "exit 1", "qacct": "printf 'failed       100 : x\\nexit_status  0\\n'"}, "failed"),
        ("sge", {"qstat": "exit 1", "qacct": "exit 1"}, "running"),  # not in its books yet
    ],
)
def test_what_a_scheduler_says_in_snakemakes_words(scheduler, tools, word, tmp_path, monkeypatch, imitate):
    imitate(monkeypatch, tmp_path, tools)
    said = subprocess.run(["sh", STATUS, scheduler, "7"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == word, said.stderr
