"""The temperature and the quantiles that a job fits to its validation photos."""

import math

import numpy as np
import pytest

from serving.model import softmax
from serving.package import ENERGY
from training.fit.calibration import (
    COLDEST,
    LEAST_PHOTOS,
    QUANTILES,
    UNKNOWN_FROM,
    fit_novelty,
    fit_temperature,
)


@pytest.mark.parametrize("told", [0.4, 1.0, 2.5])
def test_temperature_is_the_one_that_the_labels_were_drawn_with(told: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 8)).astype(np.float32)
    chances = softmax(logits, told).cumsum(1)
    labels = (chances < random.random((len(logits), 1))).sum(1)

    assert fit_temperature(logits, labels) == pytest.approx(told, rel=0.05)


def test_photos_that_are_all_right_do_not_ask_for_nothing() -> None:
    logits = np.tile(np.array([5, 0], np.float32), (LEAST_PHOTOS, 1))
    labels = np.zeros(LEAST_PHOTOS, np.int64)

    assert fit_temperature(logits, labels) == pytest.approx(COLDEST)


def test_few_photos_calibrate_nothing() -> None:
    logits = np.eye(LEAST_PHOTOS - 1, dtype=np.float32)

    assert fit_temperature(logits, np.arange(len(logits))) == 1
    assert fit_novelty(logits) is None
    assert fit_novelty(np.eye(LEAST_PHOTOS, dtype=np.float32)) is not None


def test_quantiles_are_those_of_the_energy() -> None:
    # log(e^x + e^x) is x + log 2
    logits = np.stack([np.arange(201), np.arange(201)], axis=1).astype(np.float32)

    found = fit_novelty(logits)

    assert found is not None
    assert found.score == ENERGY
    assert found.quantiles == pytest.approx([x + math.log(2) for x in range(0, 201, 2)], abs=1e-4)
    assert len(found.quantiles) == QUANTILES
    assert found.threshold == UNKNOWN_FROM == 0.98
