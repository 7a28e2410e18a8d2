"""Calibration told by many photos: `python -m benchmarks.calibration_folds [--cache DIR]`.

840 test photos are too few: of them a perfectly calibrated model would show an error of about 0.03.
So all photos of the data set are parted into five folds, with each breed's photos in all of them.
The job trains five times with its defaults, each time on four folds (a ninth of them is its valid),
and the fold that is left is its test. Every photo is answered once, by a model that has not seen
it, with the temperature that this model's job has fitted. The error is of all answers together.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without. They
descend from ImageNet, which the backbone has seen. Writes calibration_folds.json.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.calibration import perfect
from benchmarks.heads import Trainer
from benchmarks.label_noise import taken
from benchmarks.report import machine, write
from rigs.photos import require_dogs
from serving.model import softmax
from training.data.folders import Split
from training.features.file import Features, SplitFeatures
from training.figures.confidence import coverages, scores

FOLDS, SEED = 5, 0
VALID_ONE_IN = 9

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration_folds")
    parser.add_argument("--cache", type=Path, help="keep the photos' features in this folder")
    cache: Path | None = parser.parse_args().cache
    console = Console()
    require_dogs()
    with Trainer.opened(cache) as trainer:
        photos = pooled(trainer.features)
        folds = folds_of(photos.labels.numpy())
        found = [
            answers(trainer, photos, folds, fold)
            for fold in track(range(FOLDS), "folds", console=console)
        ]
    before, after, labels = (np.concatenate(part) for part in zip(*found, strict=True))
    result = figures(before, after, labels)
    console.print(
        f"{result['n']:,} photos: calibration error {result['before']['calibration_error']:.4f} to "
        f"{result['after']['calibration_error']:.4f}; a perfect one's "
        f"{result['error_of_a_perfect_one']:.4f}"
    )
    about = {"command": "python -m benchmarks.calibration_folds", "machine": machine()}
    write("calibration_folds", about | {"folds": FOLDS, "seed": SEED} | result)
    return 0


def pooled(features: Features) -> SplitFeatures:
    """All splits as one, a view a photo."""
    splits = list(features.splits.values())
    return SplitFeatures(
        torch.cat([split.views[:1] for split in splits], dim=1),
        torch.cat([split.labels for split in splits]),
        tuple(name for split in splits for name in split.names),
        {},
    )


def folds_of(labels: Indices) -> Indices:
    """The fold of each photo; a breed's photos are dealt out in an order of chance."""
    chance = np.random.default_rng(SEED)
    folds = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        at = chance.permutation(np.flatnonzero(labels == label))
        folds[at] = (np.arange(len(at)) + chance.integers(FOLDS)) % FOLDS
    return folds


def answers(
    trainer: Trainer, photos: SplitFeatures, folds: Indices, fold: int
) -> tuple[Floats, Floats, Indices]:
    """Probabilities of the fold's photos, without the temperature and with it, and their breeds."""
    chance = np.random.default_rng(SEED + fold)
    test, rest = np.flatnonzero(folds == fold), chance.permutation(np.flatnonzero(folds != fold))
    count = len(rest) // VALID_ONE_IN
    made: dict[Split, SplitFeatures] = {
        "train": taken(photos, np.sort(rest[count:])),
        "valid": taken(photos, np.sort(rest[:count])),
        "test": taken(photos, test),
    }
    model = trainer.trained(replace(trainer.features, splits=made), SEED)
    logits = model.heads(made["test"].views[0].numpy())[0]
    plain = softmax(logits, 1)
    return plain, softmax(logits, model.manifest.temperature), made["test"].labels.numpy()


def figures(before: Floats, after: Floats, labels: Sequence[int] | Indices) -> dict[str, Any]:
    """Of all answers together."""
    told = np.asarray(labels)
    sure, right = after.max(1), after.argmax(1) == told
    return {
        "n": len(told),
        "top1": round(float(right.mean()), 4),
        "before": scores(before, told).to_json(),
        "after": scores(after, told).to_json(),
        "error_of_a_perfect_one": round(perfect(sure), 4),
        "coverage": [one.to_json() for one in coverages(sure.tolist(), right.tolist(), len(told))],
    }


if __name__ == "__main__":
    sys.exit(main())
