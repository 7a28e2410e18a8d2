"""What a training step is fed with: cached features, or photos that are decoded on the way."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from serving.preprocess import PreprocessSpec, normalise
from training.data.dataset import DataSet
from training.data.folders import Split
from training.errors import JobError
from training.features.file import Features
from training.features.photos import RANDOM_VIEWS, Decoder, threads
from training.fit.checkpoint import seeded

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs, and int64 (N,) labels

# What the generators are for, so that no two of them draw the same numbers.
_ORDER, _VIEWS = 1, 2


def order(seed: int, epoch: int, n: int, batch_size: int) -> list[torch.Tensor]:
    """The epoch's batches of positions 0..n-1: a new permutation each epoch."""
    return list(torch.randperm(n, generator=seeded(seed, _ORDER, epoch)).split(batch_size))


class Source(Protocol):
    """Training and validation photos as batches of what the model takes."""

    n_train: int
    n_valid: int

    def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """The given batches of training photos, augmented for this epoch."""

    def valid(self, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """The given batches of validation photos, plain."""


class FeatureBatches:
    """Rows of the cached features; each epoch draws one of each photo's views."""

    def __init__(self, features: Features, seed: int) -> None:
        self._train, self._valid = features.splits["train"], features.splits["valid"]
        self._seed = seed
        self.n_train, self.n_valid = len(self._train.labels), len(self._valid.labels)

    def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """float32 (N, features)."""
        views, labels = self._train.views, self._train.labels
        shape = (self.n_train,)
        chosen = torch.randint(len(views), shape, generator=seeded(self._seed, _VIEWS, epoch))
        for batch in positions:
            yield views[chosen[batch], batch], labels[batch]

    def valid(self, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """float32 (N, features)."""
        for batch in positions:
            yield self._valid.views[0, batch], self._valid.labels[batch]


class PhotoBatches:
    """The photos themselves, for a backbone that is trained; `features` says which are readable.

    With `views` above 1 each epoch sees another random square of each photo.
    """

    def __init__(self, data: DataSet, features: Features, spec: PreprocessSpec, views: int) -> None:
        paths = {name: path for path, name in data.names.items()}
        self._splits = features.splits
        self._paths = paths
        self._spec = spec
        self._augmented = views > 1
        self.n_train = len(features.splits["train"].labels)
        self.n_valid = len(features.splits["valid"].labels)

    def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """float32 (N, 3, crop, crop), channels-last."""
        return self._read("train", RANDOM_VIEWS + epoch if self._augmented else 0, positions)

    def valid(self, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """float32 (N, 3, crop, crop), channels-last."""
        return self._read("valid", 0, positions)

    def _read(self, split: Split, view: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        found = self._splits[split]
        names = [found.names[i] for batch in positions for i in batch.tolist()]
        photos = [(self._paths[name], view, name) for name in names]
        sizes = [len(batch) for batch in positions]
        with threads("decode") as pool:
            decoder = Decoder(self._spec, pool)
            for batch, pictures in zip(positions, decoder.batches(photos, sizes), strict=True):
                good = [picture for picture in pictures if not isinstance(picture, Exception)]
                if len(good) < len(pictures):
                    broken = next(one for one in pictures if isinstance(one, Exception))
                    raise JobError(f"a photo of {split} could be read before, not now: {broken}")
                yield normalised(good, self._spec), found.labels[batch]


def normalised(pictures: Sequence[NDArray[np.uint8]], spec: PreprocessSpec) -> torch.Tensor:
    """uint8 (crop, crop, 3) each -> float32 (N, 3, crop, crop), channels-last in memory."""
    return torch.from_numpy(normalise(np.stack(pictures), spec)).movedim(-1, 1)
