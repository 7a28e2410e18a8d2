"""One package's answers to the photos of a data set, as an endpoint in float32 gives them."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photo_reader import PhotoError
from serving.model import Model, Prediction, load
from serving.package import Manifest, unpack
from training.data.dataset import DataSet, Sample
from training.errors import JobError
from training.features.photos import check_skipped, cpu_share, picture, portions, threads


@dataclass(frozen=True)
class Photo:
    """One photo of a test set: `name` as in DataSet.names, `label` what people say it is."""

    path: Path
    name: str
    label: str


@dataclass(frozen=True)
class Answered:
    """A package and its answers: name of a photo -> prediction. Broken photos have none."""

    manifest: Manifest
    predictions: dict[str, Prediction]

    def is_right(self, photo: Photo) -> bool:
        """ "No dog" is wrong for every photo of a labelled data set."""
        return self.predictions[photo.name].label == photo.label

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

    def some(part: Sequence[Photo]) -> dict[str, Prediction]:
        pictures = {}
        for photo in part:
            try:
                pictures[photo.name] = picture(photo.path, model.manifest.preprocess, 0, photo.name)
            except (PhotoError, OSError) as error:
                errors[photo.name] = str(error)
        if not pictures:
            return {}
        predictions = model.predict(np.stack(list(pictures.values())))
        return dict(zip(pictures, predictions, strict=True))

    with threads("contest") as pool:
        parts = pool.map(some, [photos[part] for part in portions(len(photos))])
        found = {name: prediction for part in parts for name, prediction in part.items()}
    check_skipped("the test photos", len(photos), errors)
    if not found:
        raise JobError("the data set has no test photo that can be read")
    return Answered(model.manifest, found)
