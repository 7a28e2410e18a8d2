"""Heads trained by the job on features that are kept, for benchmarks that train many."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.report import ROOT
from rigs.photos import DOGS
from serving.model import Model, load, softmax
from serving.settings import cpu_count
from serving.weights import Floats
from training.contest.answers import Answered, Photo
from training.features import file
from training.features.file import FILE, Features, SplitFeatures

BACKBONE = "efficientnet_lite2"
# A benchmark may run in another environment, without what the job draws its plots with.
_PYTHON = ROOT / ".venv" / "job" / "bin" / "python"


class Trainer:
    """Trains in a folder of its own; `features` are those of the data set at DOGS."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._train(SM_CHANNEL_DATA=DOGS, SM_MODEL_DIR=base / "all", features_only=True)
        self.features = file.read(base / "all" / FILE)

    @property
    def package(self) -> Path:
        """The folder of what was trained last."""
        return self._base / "model"

    @classmethod
    @contextmanager
    def opened(cls, cache: Path | None) -> Iterator["Trainer"]:
        """`cache`: a folder that keeps the features for another run."""
        with tempfile.TemporaryDirectory() as scratch:
            base = Path(scratch)
            if cache:
                cache.mkdir(parents=True, exist_ok=True)
                (base / "cache").symlink_to(cache.resolve())
            yield cls(base)

    def trained(self, features: Features, seed: int = 0) -> Model:
        """What the job makes of these features with its defaults, as it is served."""
        file.write(self._base / "channel" / FILE, features)
        self._train(
            SM_CHANNEL_FEATURES=self._base / "channel", SM_MODEL_DIR=self.package, seed=seed
        )
        return load(self.package, cpu_count())

    def _train(self, *, features_only: bool = False, seed: int = 0, **folders: Path) -> None:
        told = {"SAGEMAKER_BASE_DIR": str(self._base)} | {k: str(v) for k, v in folders.items()}
        only = ["--features-only", str(features_only).lower()]
        subprocess.run(
            [str(_PYTHON), "training/train.py", "--backbone", BACKBONE, "--seed", str(seed), *only],
            cwd=ROOT, env={**os.environ, **told}, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def split_of(rows: Sequence[Floats], labels: Sequence[int], names: Sequence[str]) -> SplitFeatures:
    """One view a photo."""
    views = torch.stack([torch.from_numpy(row) for row in rows])[None]
    return SplitFeatures(views, torch.tensor(list(labels)), tuple(names), {})


def answered(model: Model, photos: Sequence[Photo], rows: Floats) -> Answered:
    """The model's answers to photos with these features, for training.contest."""
    shares = softmax(model.heads(rows)[0], model.manifest.temperature)
    index = {label: at for at, label in enumerate(model.manifest.labels)}
    predictions = {photo.name: one for photo, one in zip(photos, model.answers(rows), strict=True)}
    chances = {
        photo.name: float(row[index[photo.label]])
        for photo, row in zip(photos, shares, strict=True)
        if photo.label in index
    }
    return Answered(model.manifest, predictions, chances)


def test_photos(features: Features) -> list[Photo]:
    """The test split's photos, in the order of its features."""
    test = features.splits["test"]
    return [
        Photo(Path(name), name, features.labels[at])
        for name, at in zip(test.names, test.labels.tolist(), strict=True)
    ]
