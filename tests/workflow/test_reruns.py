"""What an edit, a copy or a checkout of a finished study reruns; tests/test_walls.py has the table of edits."""

import os
import re
import time
from pathlib import Path

import pytest
import yaml
from test_workflow import ANSWER

pytestmark = pytest.mark.workflow

DRAWINGS = {"draw_registrations", "draw_labels", "draw_ground_truth", "draw_training", "draw_source"} | {
    name for name in ANSWER if name.startswith("draw_")
}
PACKAGE = Path("workflow_scripts/headstart")


def edit(project, file, pattern, new):
    path = project.folder / PACKAGE / file
    text, count = re.subn(pattern, new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


def test_a_second_run_has_nothing_to_do(project):
    assert project.to_run() == {}


def test_words_and_the_version_rerun_nothing(finished):
    edit(finished, "register/affine.py", r"UserError\(f?\"", 'UserError("Note: " + f"')
    edit(finished, "datasets/bids.py", r"UserError\(\n?\s*f\"", 'UserError(f"Note: ')
    edit(finished, "job.py", r"the disk is full:", "no space is left:")
    edit(finished, "slices/cut.py", "    step, depth = grid", "    # A comment.\n    step, depth = grid")
    edit(finished, "version.py", r"\"[\d.]+\"", '"99"')
    assert finished.to_run() == {}


def test_a_colour_reruns_drawings_alone(finished):
    edit(finished, "report/scan_pictures.py", "#E69F00", "#E69F01")
    again = finished.to_run()
    # The answer's page holds a drawing, and the provenance records the code.
    assert {"draw_registrations", "draw_labels", "draw_examples"} <= set(again)
    assert set(again) <= DRAWINGS | {"write_answer", "write_provenance"}


def test_a_warning_of_quality_control_reruns_no_registration_and_no_training(finished):
    edit(finished, "register/quality_table.py", "not a T1", "no T1")
    again = finished.to_run()
    assert again["tabulate_quality"] == 1
    assert set(again) <= {"tabulate_quality", "gate_quality", *ANSWER}


def test_code_that_computes_reruns_what_depends_on_it(finished):
    edit(finished, "slices/cut.py", r"fineness \* \(n // 2\)", "fineness * (n // 2 + 0)")
    again = finished.to_run()
    assert again["slice_images"] == 4
    assert again["slice_tissues"] == again["slice_target"] == 2
    assert again["finetune_stroke"] == 4
    assert not {"make_subject", "register_scan", "label_scan", "resample_target", "write_split"} & set(again)


def code_files(project):
    return [path for part in ("Snakefile", "rules", "workflow_scripts", "config.yaml", "profiles")
            for path in [project.folder / part, *(project.folder / part).rglob("*")]]  # fmt: skip


def test_code_that_was_checked_out_again_or_touched_reruns_nothing(finished):
    for path in code_files(finished):
        os.utime(path)
    assert finished.to_run() == {}


def test_settings_that_change_no_result_rerun_nothing(finished):
    study = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    study["training"] = {"checkpoint_minutes": 9, "resident_gb": 1, "runs_per_gpu": 2}
    (finished.folder / "tiny.yaml").write_text(yaml.safe_dump(study))
    assert set(finished.to_run()) == {"describe_study", "write_provenance"}  # which list them


def test_a_copy_that_keeps_dates_reruns_nothing(finished, tmp_path):
    assert finished.copy(tmp_path / "elsewhere").to_run() == {}


def test_a_copy_that_loses_dates_reruns_nothing(finished, tmp_path):
    """What `cp -r`, scp and unzip do; at worst, each file is then newer than all that was made from it."""
    copied = finished.copy(tmp_path / "elsewhere")
    files = [path for path in copied.folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
    now = time.time()
    for age, path in enumerate(sorted(files, key=lambda path: path.stat().st_mtime)):
        os.utime(path, (now - age, now - age))
    assert copied.to_run() == {}
