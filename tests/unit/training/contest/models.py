"""Packages' answers without packages."""

from dataclasses import replace
from pathlib import Path

from serving.model import Prediction
from serving.package import Manifest
from serving.preprocess import PreprocessSpec
from training.contest.answers import Answered, Photo
from training.figures.metrics import Proportion

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
    chance: float = 0.9,
    on_train: tuple[int, int] | None = None,
) -> Answered:
    """Right on every photo whose label it knows, but those in `wrong`.

    `chance`: what it gives every right breed. `on_train`: hits and photos of its own training.
    """
    manifest = Manifest("m", "b", labels, (4, len(labels)), _SPEC, None, sha256)
    if on_train:
        told = {"train": {"top1": Proportion(*on_train).to_json()}}
        manifest = replace(manifest, origin={"metrics": told})
    predictions, chances = {}, {}
    for photo in shown:
        right = photo.label in labels and photo.name not in wrong
        label = photo.label if right else next(one for one in labels if one != photo.label)
        predictions[photo.name] = Prediction(label, 0.9, None, ((label, 0.9),))
        if photo.label in labels:
            chances[photo.name] = chance
    return Answered(manifest, predictions, chances)


def other(one: Answered) -> Answered:
    """The same answers by a model of another version."""
    return replace(one, manifest=replace(one.manifest, weights_sha256="other"))
