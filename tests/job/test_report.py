"""The figures of a package do not hang on how many photos it answers at a time."""

from pathlib import Path

import numpy as np
import pytest

from serving.model import Model
from serving.package import Manifest
from serving.preprocess import PreprocessSpec
from serving.weights import Floats
from tests.unit.training.small import LABELS, WIDTH, features
from training.figures import report

SPEC = PreprocessSpec(40, 32, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def test_package_answers_a_portion_of_the_photos_at_a_time_and_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a package, and more photos than a portion
    asked: list[int] = []

    def heads(rows: Floats) -> list[Floats]:
        asked.append(len(rows))
        return [3 * rows[:, : len(LABELS)]]

    manifest = Manifest("m", "b", LABELS, (WIDTH, len(LABELS)), SPEC, None, "0" * 64)
    model = Model(manifest, None, heads)  # type: ignore[arg-type]
    monkeypatch.setattr(report, "load", lambda *_: model)
    monkeypatch.setattr(report, "calibrated", lambda model, *_: model)
    # WHEN it is evaluated in portions, and all at once
    whole = report.evaluate(Path(), features(), None, frozen=True)[1]
    assert max(asked) == 50
    asked.clear()
    monkeypatch.setattr(report, "PORTION", 7)
    parts = report.evaluate(Path(), features(), None, frozen=True)[1]
    # THEN no portion is larger, and nothing is another
    assert max(asked) == 7
    for split, found in whole.items():
        assert parts[split].predictions == found.predictions
        assert parts[split].answers == found.answers
        assert np.array_equal(parts[split].before, found.before)
        assert np.array_equal(parts[split].after, found.after)
