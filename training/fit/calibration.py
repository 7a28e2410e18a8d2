"""What a trained model says of itself, fitted to the validation photos: how sure it is, and what it
knows.

Neither changes a weight or the order of the breeds. Both are numbers of the manifest, which serving
applies to the logits.
"""

import math

import numpy as np
from numpy.typing import NDArray

from serving.model import familiarity
from serving.package import ENERGY, Novelty
from serving.weights import Floats

# From this share of the validation photos on that look more like a known breed, a photo is said to
# show none: so two of a hundred photos of known breeds are lost.
UNKNOWN_FROM = 0.98

# As many quantiles as tell the last hundredth from the one before.
QUANTILES = 101

# Of fewer photos the last two in a hundred are not even two.
LEAST_PHOTOS = 100

COLDEST, HOTTEST = 0.1, 10.0

_HALVINGS = 60


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature with the least log loss; float32 (N, breeds), int64 (N,) -> above 0.

    The loss is convex in 1 / temperature (Guo et al., "On calibration of modern neural networks",
    2017), so its derivative rises, and halving finds where it is 0. It is 1 for too few photos,
    and within bounds: photos that are all answered rightly would ask for 0.
    """
    if len(logits) < LEAST_PHOTOS:
        return 1.0
    z = logits.astype(np.float64)
    z -= z.max(1, keepdims=True)
    own = np.take_along_axis(z, labels[:, None], axis=1)[:, 0]

    def slope(sharpness: float) -> float:
        masses = np.exp(z * sharpness)
        expected = (masses * z).sum(1) / masses.sum(1)
        return float((expected - own).mean())

    low, high = math.log(1 / HOTTEST), math.log(1 / COLDEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(math.exp(middle)) < 0 else (low, middle)
    return round(math.exp(-(low + high) / 2), 6)


def fit_novelty(logits: Floats) -> Novelty | None:
    """The quantiles of the energy, float32 (N, breeds); None for too few photos.

    Of ten scores it tells unknown breeds apart best (benchmarks/unknown_breeds.py).
    """
    if len(logits) < LEAST_PHOTOS:
        return None
    quantiles = np.quantile(familiarity(logits, ENERGY), np.linspace(0, 1, QUANTILES))
    return Novelty(tuple(np.round(quantiles, 4).tolist()), UNKNOWN_FROM, ENERGY)
