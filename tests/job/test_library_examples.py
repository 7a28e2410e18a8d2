"""The examples of the debugger's and the profiler's pages run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_example(library: str, folder: Path) -> str:
    """What the first Python example of the library's README prints."""
    page = (ROOT / "training" / library / "README.md").read_text(encoding="utf-8")
    example = re.search(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert example is not None
    done = subprocess.run(
        [sys.executable, "-c", example[1]], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_debuggers_example_runs_and_writes_what_its_page_says(tmp_path: Path) -> None:
    pytest.importorskip("smdebug")
    printed = run_example("debugger", tmp_path)
    assert "'VanishingGradient': 'NoIssuesFound'" in printed
    assert (tmp_path / "ml/output/rules/Overfit.json").exists()
    assert (tmp_path / "ml/output/tensors/training_job_end.ts").exists()
    assert (tmp_path / "ml/report/rules/Overfit.json").exists()


def test_profilers_example_runs_and_writes_what_its_page_says(tmp_path: Path) -> None:
    run_example("profiler", tmp_path)
    recording, report = tmp_path / "ml/output/profiler", tmp_path / "ml/report/profiler-report"
    assert list(recording.glob("framework/**/*_pythontimeline.json"))
    assert (recording / "job.json").exists()
    assert (report / "profiler-report.html").exists()
    assert (report / "profiler-reports/BatchSize.json").exists()
