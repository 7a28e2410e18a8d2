"""Whether a confidence means what it says."""

import math

import numpy as np
import pytest

from training.figures.confidence import calibration_error, coverages, scores
from training.figures.metrics import Proportion


def test_error_is_how_far_sure_and_right_are_apart_weighted_by_photos() -> None:
    sure = [0.95] * 4 + [0.55] * 6
    right = [True, True, True, False] + [True] * 3 + [False] * 3

    assert calibration_error(sure, right) == pytest.approx(0.4 * 0.2 + 0.6 * 0.05)
    assert calibration_error([1.0, 1.0], [True, True]) == 0


def test_calibration_error_weighs_each_bin_by_its_photos() -> None:
    sure, right = [0.95, 0.95, 0.95, 0.95, 0.55], [True, True, False, False, True]

    assert calibration_error(sure, right) == pytest.approx((4 * 0.45 + 0.45) / 5)
    assert calibration_error([1.0, 1.0], [True, True]) == 0
    assert calibration_error([], []) == 0


def test_scores_of_probabilities() -> None:
    found = scores(np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([0, 1]))

    assert found.brier == pytest.approx((0.08 + 0.72) / 2)
    assert found.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    assert found.calibration_error == pytest.approx(0.5 * 0.2 + 0.5 * 0.6)


def test_coverage_is_told_in_words() -> None:
    low, high, none = coverages([0.95, 0.9, 0.6], [True, False, True], 4, (0.5, 0.9, 0.99))

    assert low.right == Proportion(2, 3)
    assert low.share == 0.75
    assert high.words() == (
        "of the photos answered with at least 90%, 50.0% are right; that is 50.0% of all"
    )
    assert none.words() == "no photo is answered with at least 99%"
    assert none.to_json() == {"at_least": 0.99, "right": None, "share": 0.0}
