"""A verified model package as something that can be called: pictures -> predictions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from serving.architectures import ARCHITECTURES, Floats, Weights, WeightsError
from serving.network import Network, backbone, heads
from serving.package import MANIFEST, WEIGHTS, Manifest, PackageError, read_manifest
from serving.settings import Precision

TOP = 5


@dataclass(frozen=True)
class Prediction:
    """One photo's answer; probabilities are softmax values over the breeds, best first."""

    label: str | None
    confidence: float
    dog_probability: float | None
    top: tuple[tuple[str, float], ...]


class Model:
    """Backbone and heads with their manifest, ready to predict on the CPU."""

    def __init__(self, manifest: Manifest, backbone: Network, heads: Network) -> None:
        self.manifest = manifest
        self.backbone = backbone
        self.heads = heads

    def predict(self, pictures: NDArray[np.uint8], *, alone: bool = False) -> list[Prediction]:
        """uint8 (N, crop, crop, 3), as `pixels` makes them -> one prediction a picture, in order.

        `alone`: nothing else runs, so this call may use all CPUs (see Network).
        """
        (features,) = self.backbone(pictures, alone=alone)
        return self.answers(features)

    def answers(self, features: Floats) -> list[Prediction]:
        """float32 (N, features), just computed or kept -> one prediction a row."""
        probabilities, *rest = self.heads(features)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
        best = np.take_along_axis(probabilities, order, axis=1)
        dog = rest[0].clip(0, 1).tolist() if rest else [None] * len(features)
        rows = zip(best.tolist(), order.tolist(), dog, strict=True)
        return [self._prediction(*row) for row in rows]

    def _prediction(self, values: list[float], indices: list[int], dog: float | None) -> Prediction:
        labels = self.manifest.labels
        top = tuple((labels[i], round(value, 6)) for i, value in zip(indices, values, strict=True))
        score = self.manifest.dog_score
        if dog is None or score is None or dog >= score.threshold:
            rounded = None if dog is None else round(dog, 6)
            return Prediction(top[0][0], top[0][1], rounded, top)
        return Prediction(None, round(1 - dog, 6), round(dog, 6), top)


def load(folder: Path, threads: int = 1, precision: Precision = "float32") -> Model:
    """Verify an unpacked package and build its model; raises PackageError.

    Everything is checked before the first request: schema, hash, labels, and that the weights'
    names and shapes are those of the architecture the manifest names. `precision` is the
    backbone's.
    """
    manifest = read_manifest(folder)
    path = folder / WEIGHTS
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise PackageError(f"{path}: not a safetensors file: {error}") from error
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
    weights = Weights(tensors)
    try:
        model = Model(
            manifest,
            backbone(
                manifest.backbone,
                weights.under("backbone."),
                manifest.preprocess,
                threads,
                precision,
            ),
            heads(manifest, weights, threads),
        )
        weights.check_all_taken()
    except WeightsError as error:
        raise PackageError(f"{path}: {error}") from error
    return model
