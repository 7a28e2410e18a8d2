"""Features that an earlier data set left behind, found again by what is in each photo.

A photo's features hang on its content, the backbone and the transform, not on the data set that it
is in. So a new version of a data set computes its new photos only. A random square (views from
RANDOM_VIEWS on) hangs on the photo's name as well.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from training.data.dataset import DataSet
from training.data.folders import Split
from training.features.file import Features, Key
from training.features.photos import RANDOM_VIEWS


def is_alike(found: Key, wanted: Key) -> bool:
    """Whether nothing but the photos is another: one photo has the same features under both."""
    return replace(found, data_sha256=wanted.data_sha256) == wanted


class Kept:
    """Rows of features by split and sha256 of the photo; those of the first file count."""

    def __init__(self, files: Sequence[Features]) -> None:
        self._rows: dict[tuple[Split, str], tuple[torch.Tensor, str]] = {}
        for features in files:
            for split, found in features.splits.items():
                for at, (digest, name) in enumerate(zip(found.digests, found.names, strict=False)):
                    self._rows.setdefault((split, digest), (found.views[:, at], name))

    def rows(self, data: DataSet, split: Split, view: int) -> dict[int, torch.Tensor]:
        """float32 (features,) of the photos of `data` that are known, by their position."""
        known = {}
        for at, sample in enumerate(data.splits[split]):
            name = data.names[sample.path]
            views, before = self._rows.get((split, data.digests[name]), (None, ""))
            if views is None or view >= len(views) or (view >= RANDOM_VIEWS and name != before):
                continue
            known[at] = views[view]
        return known
