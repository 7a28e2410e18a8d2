"""A verified model package as something that can be called: pictures -> predictions."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.architectures import ARCHITECTURES
from serving.network import Network, backbone, heads, multiplies_int8
from serving.package import (
    LARGEST_LOGIT,
    MANIFEST,
    WEIGHTS,
    Manifest,
    PackageError,
    read_package,
)
from serving.settings import Precision, ServedPrecision
from serving.weights import Floats, Weights, WeightsError, read_tensors

logger = logging.getLogger("serving")

TOP = 5

# How little must be between the two best breeds, calibrated, to look again. Of 1,680 photos of dogs
# int8 gives 52 another first label with the starter model; 11 % are looked at again, and 3 are left
# (benchmarks/calibration.py). At 0.1 it would be 13, and a look at 7 %. Another model may have
# more or fewer.
CLOSE = 0.2

# The same for a photo and the dog threshold, whose score no temperature touches.
CLOSE_DOG = 0.1

# The same for the novelty and its threshold: two photos of known breeds in a hundred are so near.
CLOSE_NOVELTY = 0.01


@dataclass(frozen=True)
class Prediction:
    """One photo's answer; probabilities are calibrated ones of the breeds, best first.

    `novelty` is the share of the model's validation photos that look more like a known breed than
    this one: 0 to 1, None where there is no dog, or where the model was not measured. `unknown`:
    a dog, but of none of the breeds; `label` is the nearest one all the same.
    """

    label: str | None
    confidence: float
    dog_probability: float | None
    top: tuple[tuple[str, float], ...]
    novelty: float | None = None
    unknown: bool = False


class Model:
    """Backbone and heads with their manifest, ready to predict on the CPU.

    `exact` is the backbone once more, to look again at what `backbone` leaves open.
    """

    def __init__(
        self, manifest: Manifest, backbone: Network, heads: Network, exact: Network | None = None
    ) -> None:
        self.manifest = manifest
        self.backbone = backbone
        self.heads = heads
        self.exact = exact

    def predict(self, pictures: NDArray[np.uint8], *, alone: bool = False) -> list[Prediction]:
        """uint8 (N, crop, crop, 3), as `pixels` makes them -> one prediction a picture, in order.

        `alone`: nothing else runs, so this call may use all CPUs (see Network).
        """
        (features,) = self.backbone(pictures, alone=alone)
        answers = self.answers(features)
        if self.exact:
            again = [index for index, answer in enumerate(answers) if self._is_close(answer)]
            if again:
                (features,) = self.exact(pictures[again], alone=alone)
                for index, answer in zip(again, self.answers(features), strict=True):
                    answers[index] = answer
        return answers

    def _is_close(self, answer: Prediction) -> bool:
        """Whether a little rounding could make it another answer."""
        score, dog = self.manifest.dog_score, answer.dog_probability
        if score is not None and dog is not None and dog < score.threshold + CLOSE_DOG:
            return dog > score.threshold - CLOSE_DOG  # of what is no dog, no breed is told
        told, novelty = self.manifest.novelty, answer.novelty
        near = told and novelty is not None and abs(novelty - told.threshold) < CLOSE_NOVELTY
        if near:
            return True
        first, *others = (probability for _, probability in answer.top)
        return bool(others) and first - others[0] < CLOSE

    def warm_up(self, count: int, *, alone: bool = False) -> None:
        """Run every network on `count` pictures, whatever the answers: first passes are slow."""
        crop = self.manifest.preprocess.crop
        blank = np.zeros((count, crop, crop, 3), np.uint8)
        for network in filter(None, (self.backbone, self.exact)):
            (features,) = network(blank, alone=alone)
        self.answers(features)

    def is_finite(self) -> bool:
        """Whether a grey picture is answered with numbers: overflows show here."""
        crop = self.manifest.preprocess.crop
        (features,) = self.backbone(np.full((1, crop, crop, 3), 128, np.uint8))
        return all(np.isfinite(values).all() for values in (features, *self.heads(features)))

    def answers(self, features: Floats) -> list[Prediction]:
        """float32 (N, features), just computed or kept -> one prediction a row."""
        logits, *rest = self.heads(features)
        probabilities = softmax(logits, self.manifest.temperature)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
        best = np.take_along_axis(probabilities, order, axis=1)
        dog = rest[0].clip(0, 1).tolist() if rest else [None] * len(features)
        novelty = self._novelty(logits)
        rows = zip(best.tolist(), order.tolist(), dog, novelty, strict=True)
        return [self._prediction(*row) for row in rows]

    def _novelty(self, logits: Floats) -> Sequence[float | None]:
        told = self.manifest.novelty
        if told is None:
            return [None] * len(logits)
        shares = np.linspace(0, 1, len(told.quantiles))
        scores = familiarity(logits, told.score)
        found: list[float] = (1 - np.interp(scores, told.quantiles, shares)).tolist()
        return found

    def _prediction(
        self, values: list[float], indices: list[int], dog: float | None, novelty: float | None
    ) -> Prediction:
        labels = self.manifest.labels
        top = tuple((labels[i], round(value, 6)) for i, value in zip(indices, values, strict=True))
        score = self.manifest.dog_score
        if dog is None or score is None or dog >= score.threshold:
            rounded = None if dog is None else round(dog, 6)
            told = self.manifest.novelty
            if novelty is None or told is None:
                return Prediction(top[0][0], top[0][1], rounded, top)
            novelty = round(novelty, 6)  # first, so that who reads both sees why
            unknown = novelty >= told.threshold
            return Prediction(top[0][0], top[0][1], rounded, top, novelty, unknown)
        return Prediction(None, round(1 - dog, 6), round(dog, 6), top)


def familiarity(logits: Floats, score: str) -> NDArray[np.float64]:
    """How much each photo looks like a known breed: float32 (N, breeds) -> (N,), one of SCORES.

    The largest logit (Hendrycks et al., "Scaling out-of-distribution detection for real-world
    settings", 2022), or the free energy with its sign turned, the logarithm of the sum of all
    logits' exponentials (Liu et al., "Energy-based out-of-distribution detection", 2020).
    """
    largest: NDArray[np.float64] = logits.max(1).astype(np.float64)
    if score == LARGEST_LOGIT:
        return largest
    rest = np.exp(logits.astype(np.float64) - largest[:, None]).sum(1)
    found: NDArray[np.float64] = largest + np.log(rest)
    return found


def softmax(logits: Floats, temperature: float) -> NDArray[np.float64]:
    """float32 (N, breeds) -> probabilities (N, breeds), of the logits over the temperature."""
    scaled = (logits - logits.max(1, keepdims=True)).astype(np.float64) / temperature
    masses = np.exp(scaled)
    shares: NDArray[np.float64] = masses / masses.sum(1, keepdims=True)
    return shares


def load(folder: Path, threads: int = 1, precision: ServedPrecision = "float32") -> Model:
    """Verify an unpacked package and build its model; raises PackageError.

    Everything is checked before the first request: schema, hash, labels, and that the weights'
    names and shapes are those of the architecture the manifest names. `precision` is the
    backbone's; mixed is int8 with float32 behind it, and float32 alone on a CPU not made for int8.
    """
    manifest, content = read_package(folder)
    path = folder / WEIGHTS
    if manifest.backbone not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise PackageError(
            f"{folder / MANIFEST}: backbone {manifest.backbone!r} is not one of {known}"
        )
    width = ARCHITECTURES[manifest.backbone].features
    if manifest.head[0] != width:
        raise PackageError(
            f"{folder / MANIFEST}: head takes {manifest.head[0]} features, {manifest.backbone} "
            f"gives {width}"
        )
    mixed = precision == "mixed" and multiplies_int8()
    if precision == "mixed" and not mixed:
        logger.warning("this CPU has no instruction for int8 (VNNI, AMX): float32 instead of mixed")

    def compiled(weights: Weights, precision: Precision) -> Network:
        part, spec = weights.under("backbone."), manifest.preprocess
        return backbone(manifest.backbone, part, spec, threads, precision, pinned=not mixed)

    try:
        tensors = read_tensors(content)
        del content  # read_tensors has copied it
        weights = Weights(tensors)
        model = Model(
            manifest,
            compiled(weights, "int8" if mixed else "float32"),
            heads(manifest, weights, threads, pinned=not mixed),
            compiled(Weights(tensors), "float32") if mixed else None,
        )
        weights.check_all_taken()
    except WeightsError as error:
        raise PackageError(f"{path}: {error}") from error
    if not model.is_finite():
        raise PackageError(f"{path}: the model's answers are not finite numbers")
    return model
