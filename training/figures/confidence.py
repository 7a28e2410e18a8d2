"""Does a confidence mean what it says? Figures of a model's confidences and of what was right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.figures.metrics import Proportion

BINS = 15
THRESHOLDS = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Bin:
    """The photos of one span of confidences: how many, how sure and how often right on average."""

    n: int
    confidence: float
    right: float


def bins(confidences: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    """Fifteen spans of equal width, those without photos left out."""
    sure, hits = np.asarray(confidences, np.float64), np.asarray(right, bool)
    at = np.minimum((sure * BINS).astype(int), BINS - 1)
    found = (at == number for number in range(BINS))
    return [
        Bin(int(one.sum()), float(sure[one].mean()), float(hits[one].mean()))
        for one in found
        if one.any()
    ]


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Expected calibration error (Naeini et al., 2015), 0 to 1: how far sure and right differ.

    0 of no photos.
    """
    found = bins(confidences, right)
    return sum(one.n * abs(one.confidence - one.right) for one in found) / max(1, len(confidences))


@dataclass(frozen=True)
class Scores:
    """How good probabilities are: error as above, Brier score (0 to 2), log loss in nats."""

    calibration_error: float
    brier: float
    log_loss: float

    def to_json(self) -> dict[str, float]:
        """For metrics.json."""
        return {name: round(value, 4) for name, value in vars(self).items()}


def scores(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Scores:
    """Of probabilities (N, breeds) for photos of these breeds (N,)."""
    rows = np.arange(len(labels))
    right = probabilities.argmax(1) == labels
    wanted = np.zeros_like(probabilities)
    wanted[rows, labels] = 1
    least = np.finfo(np.float64).tiny
    return Scores(
        calibration_error(probabilities.max(1).tolist(), right.tolist()),
        float(((probabilities - wanted) ** 2).sum(1).mean()),
        float(-np.log(np.maximum(probabilities[rows, labels], least)).mean()),
    )


@dataclass(frozen=True)
class Coverage:
    """Photos answered with at least `threshold`: how many of them are right, of how many in all."""

    threshold: float
    right: Proportion | None  # None: not one was
    photos: int

    @property
    def share(self) -> float:
        """The answered ones' share of all photos."""
        return self.right.n / self.photos if self.right else 0.0

    def words(self) -> str:
        """For a terminal."""
        if self.right is None:
            return f"no photo is answered with at least {self.threshold:.0%}"
        return (
            f"of the photos answered with at least {self.threshold:.0%}, {self.right.value:.1%} "
            f"are right; that is {self.share:.1%} of all"
        )

    def to_json(self) -> dict[str, Any]:
        """For metrics.json and evaluation.json."""
        right = self.right.to_json() if self.right else None
        return {"at_least": self.threshold, "right": right, "share": round(self.share, 4)}


def coverages(
    confidences: Sequence[float],
    right: Sequence[bool],
    photos: int,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Coverage]:
    """Of the answered photos' confidences; `photos` counts those that got no breed too."""
    found = []
    for threshold in thresholds:
        chosen = [hit for sure, hit in zip(confidences, right, strict=True) if sure >= threshold]
        share = Proportion(sum(chosen), len(chosen)) if chosen else None
        found.append(Coverage(threshold, share, photos))
    return found
