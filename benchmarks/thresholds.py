"""One threshold of confidence for all breeds, or one for each? For benchmarks.calibration."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.model import softmax
from serving.weights import Floats

PRECISION = 0.97

Photos = tuple[Floats, NDArray[np.int64]]  # logits (N, breeds), and the right ones' indices (N,)


def compare(fitted: Photos, held_out: Photos, temperature: float) -> dict[str, Any]:
    """The thresholds from which 97 % of the fitted photos' answers are right, on other photos.

    A breed that the fitted photos say nothing of has the common threshold.
    """
    sure, said, right = _answers(fitted, temperature)
    common = least(sure, right)
    of_breed = np.full(fitted[0].shape[1], common)
    for breed in np.unique(said):
        of_breed[breed] = least(sure[said == breed], right[said == breed])
    sure, said, right = _answers(held_out, temperature)
    ways = {"one for all": sure >= common, "one for each breed": sure >= of_breed[said]}
    return {
        "fitted": len(fitted[1]),
        "held_out": len(held_out[1]),
        **{
            way: {
                "right": round(float(right[kept].mean()), 4),
                "share": round(float(kept.mean()), 4),
            }
            for way, kept in ways.items()
        },
    }


def least(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The least confidence from which so many are right; above 1 where none is."""
    order = np.argsort(-sure, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(shares >= PRECISION)
    return float(sure[order][good[-1]]) if len(good) else 1.01


def _answers(
    photos: Photos, temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """How sure, which breed, and whether that is right."""
    shares = softmax(photos[0], temperature)
    said = shares.argmax(1)
    return shares.max(1), said, said == photos[1]
