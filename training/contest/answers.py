"""One package's answers to the photos of a data set, as an endpoint in float32 gives them."""

import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photo_reader import PhotoError
from serving.model import Model, Prediction, load, softmax
from serving.package import Manifest, unpack
from training.data.dataset import DataSet, Sample
from training.errors import JobError
from training.features.photos import check_skipped, cpu_share, picture, portions, threads
from training.figures.metrics import Proportion


@dataclass(frozen=True)
class Photo:
    """One photo of a test set: `name` as in DataSet.names, `label` what people say it is."""

    path: Path
    name: str
    label: str


@dataclass(frozen=True)
class Answered:
    """A package and its answers: name of a photo -> prediction. Broken photos have none.

    `chances`: the probability of what people say the photo shows, where the package knows that.
    """

    manifest: Manifest
    predictions: dict[str, Prediction]
    chances: dict[str, float]

    def is_right(self, photo: Photo) -> bool:
        """ "No dog" is wrong for every photo of a labelled data set."""
        return self.predictions[photo.name].label == photo.label

    def log_loss(self, photo: Photo) -> float:
        """In nats, of the calibrated probability of the right breed."""
        return -math.log(max(self.chances[photo.name], sys.float_info.min))

    @property
    def on_train(self) -> Proportion | None:
        """How many of its own training photos it is right on; None where the job did not say."""
        metrics = self.manifest.origin.get("metrics", {})
        told = metrics.get("train", {}).get("top1")
        return None if told is None else Proportion(round(told["value"] * told["n"]), told["n"])

    def knows(self, label: str) -> bool:
        return label in self.manifest.labels


def photos_of(data: DataSet) -> tuple[list[Photo], list[Photo]]:
    """The test split, and the random sample that people reviewed (empty where there is none)."""

    def photos(samples: Sequence[Sample], names: dict[Path, str]) -> list[Photo]:
        return [Photo(path, names[path], data.labels[index]) for path, index in samples]

    return photos(data.test, data.names), photos(data.audit, data.audit_names)


def answer(package: Path, photos: Sequence[Photo]) -> Answered:
    """Load a package (a folder, or model.tar.gz) and have it answer.

    Raises PackageError for no package, JobError where more photos cannot be read than
    training.features.photos.SKIPPED_AT_MOST.
    """
    with unpacked(package) as folder:
        return _answer(load(folder, cpu_share(), "float32"), photos)


@contextmanager
def unpacked(package: Path) -> Iterator[Path]:
    """A package's folder: its own, or one that is there meanwhile. Raises PackageError."""
    if package.is_dir():
        yield package
        return
    with tempfile.TemporaryDirectory() as scratch:
        unpack(package, Path(scratch))
        yield Path(scratch)


def _answer(model: Model, photos: Sequence[Photo]) -> Answered:
    errors: dict[str, str] = {}
    index = {label: at for at, label in enumerate(model.manifest.labels)}

    def some(part: Sequence[Photo]) -> tuple[dict[str, Prediction], dict[str, float]]:
        pictures = {}
        for photo in part:
            try:
                pictures[photo.name] = picture(photo.path, model.manifest.preprocess, 0, photo.name)
            except (PhotoError, OSError) as error:
                errors[photo.name] = str(error)
        if not pictures:
            return {}, {}
        (features,) = model.backbone(np.stack(list(pictures.values())))
        shares = softmax(model.heads(features)[0], model.manifest.temperature)
        labels = {photo.name: photo.label for photo in part}
        chances = {
            name: float(row[index[labels[name]]])
            for name, row in zip(pictures, shares, strict=True)
            if labels[name] in index
        }
        return dict(zip(pictures, model.answers(features), strict=True)), chances

    with threads("contest") as pool:
        parts = list(pool.map(some, [photos[part] for part in portions(len(photos))]))
    found = {name: prediction for part, _ in parts for name, prediction in part.items()}
    chances = {name: chance for _, part in parts for name, chance in part.items()}
    check_skipped("the test photos", len(photos), errors)
    if not found:
        raise JobError("the data set has no test photo that can be read")
    return Answered(model.manifest, found, chances)
