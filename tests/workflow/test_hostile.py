"""Names that a shell would run, and what the study leaves on disk."""

import shutil
import stat

import pandas as pd
import pytest
import yaml

from headstart.job import read_json

pytestmark = pytest.mark.workflow

MARKER = "ran-what-a-name-says"
NAMES = (
    f"p1; touch {MARKER} #.nii.gz",
    f"p2 $(touch {MARKER}) `touch {MARKER}`.nii.gz",
    f'p3 it\'s "quoted" & | > {MARKER}.nii.gz',
    "p4 Zoë ünd 日本 *?[x] \\n -rf.nii.gz",
)


def test_names_and_values_that_a_shell_would_run_are_names_and_values(finished, tmp_path):
    data = tmp_path / f"data; $(touch {MARKER}) 'x"
    made = finished.results / "datasets/stroke"
    for number, name in enumerate(NAMES, 1):
        for folder, pattern in (
            ("t1", f"sub-0{number}/anat/*_T1w.nii.gz"),
            ("masks", f"**/sub-0{number}*lesion*.nii.gz"),
        ):
            (data / "set" / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(next(made.glob(pattern)), data / "set" / folder / name)
    study = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    study |= {"study": "hostile", "data": str(data)}
    study["datasets"]["stroke"] = {
        "layout": "flat",
        "folder": "set",
        "pattern": r"t1/(?P<subject>p\d).*",
        "labels": "masks",
        "labels_pattern": r"(?P<subject>p\d).*",
    }
    del study["datasets"]["cohort"]
    study["pretrain"]["sources"] = {"scratch": {}}
    study["targets"]["stroke"]["sizes"] = [1]
    study["targets"]["stroke"]["classes"] = {f"lesion; $(touch {MARKER})": [1]}
    (finished.folder / "hostile.yaml").write_text(yaml.safe_dump(study))
    results = finished.folder / "results/hostile"
    finished.take_template(finished, "hostile")
    for rest in ((), ("--report", results / "report.html")):
        done = finished.snakemake("--nolock", *rest, study="hostile.yaml")
        assert done.returncode == 0, done.stderr[-4000:]
    scored = pd.read_parquet(results / "evaluate/stroke/scratch/size-1_resample-1/metrics.parquet")
    assert f"lesion; $(touch {MARKER})" in set(scored["class_name"])
    named = {row["file"] for record in read_json(results / "intake/stroke/part-0000.json") for row in record["files"]}
    assert named == {str(data / "set" / folder / name) for folder in ("t1", "masks") for name in NAMES}
    left = [path for root in (finished.folder, tmp_path) for path in root.rglob(f"{MARKER}*")]
    assert left == []


def test_nothing_that_the_study_writes_is_writable_by_everyone(project):
    written = [path for path in project.results.rglob("*") if not path.is_symlink()]
    assert len(written) > 100
    assert [path for path in written if path.stat().st_mode & stat.S_IWOTH] == []
