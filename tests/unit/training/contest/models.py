"""Packages' answers without packages."""

from dataclasses import replace
from pathlib import Path

from serving.model import Prediction
from serving.package import Manifest
from serving.preprocess import PreprocessSpec
from training.contest.answers import Answered, Photo

LABELS = ("Beagle", "Pug", "Whippet")
_SPEC = PreprocessSpec(32, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def photos(count: int, labels: tuple[str, ...] = LABELS, split: str = "test") -> list[Photo]:
    """`count` photos of each label, at places that do not exist."""
    return [
        Photo(Path(f"/none/{split}/{label}/{number}.jpg"), f"{split}/{label}/{number}.jpg", label)
        for label in labels
        for number in range(count)
    ]


def model(
    shown: list[Photo],
    wrong: set[str] = frozenset(),  # type: ignore[assignment]
    labels: tuple[str, ...] = LABELS,
    sha256: str = "a",
) -> Answered:
    """Right on every photo whose label it knows, but those in `wrong`."""
    manifest = Manifest("m", "b", labels, (4, len(labels)), _SPEC, None, sha256)
    predictions = {}
    for photo in shown:
        right = photo.label in labels and photo.name not in wrong
        label = photo.label if right else next(one for one in labels if one != photo.label)
        predictions[photo.name] = Prediction(label, 0.9, None, ((label, 0.9),))
    return Answered(manifest, predictions)


def other(one: Answered) -> Answered:
    """The same answers by a model of another version."""
    return Answered(replace(one.manifest, weights_sha256="other"), one.predictions)
