"""The loss curve of one small run, kept: a change of it must be meant.

To renew it, after looking at what changed: `GOLDEN=write .venv/job/bin/python -m pytest
tests/job/test_golden_curve.py`.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.job.training_runs import Place

GOLDEN = Path(__file__).parent / "golden_curve.json"
# Measured: two threads instead of one move a loss by 2e-7 of it at most, a learning rate that is a
# hundredth higher by 1e-3 in each case.
TOLERANCE = 1e-4
CASES = {
    "frozen": ("--epochs", "4", "--views", "2", "--lr", "0.02", "--patience", "4"),
    "three-layer": ("--epochs", "4", "--head", "three-layer", "--lr", "0.02", "--patience", "4"),
    "last stage": ("--epochs", "2", "--unfreeze", "last-stage", "--lr", "0.01", "--patience", "2"),
}


@pytest.mark.parametrize("case", CASES)
def test_loss_curve_is_the_one_that_was_kept(case: str, new_place: Callable[[str], Place]) -> None:
    place = new_place("golden")
    done = place.run(*CASES[case], "--seed", "7", "--precision", "float32", "--batch-size", "8")
    assert done.returncode == 0, done.stderr
    curve = [{k: v for k, v in row.items() if k.endswith("loss")} for row in place.history()]
    kept = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    if os.environ.get("GOLDEN") == "write":
        kept[case] = curve
        GOLDEN.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    for row, golden in zip(curve, kept[case], strict=True):
        assert row == pytest.approx(golden, rel=TOLERANCE)
