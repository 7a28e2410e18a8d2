"""Small stand-ins: features of three classes that a head can learn, and the job around a loop."""

from pathlib import Path

import torch

from training.features.file import Features, Key, SplitFeatures
from training.fit.interruption import Interruption
from training.fit.loop import Job
from training.network.backbones import Pretrained
from training.options import Folders, Options
from training.profiler import Profiler
from training.workers import Workers

LABELS = ("Beagle", "Pug", "Dhole")
WIDTH = 8


def key(**changed: object) -> Key:
    values = {"backbone": "efficientnet_lite0", "weights_sha256": "w", "transform": {"crop": 224},
              "precision": "float32", "code_sha256": "c", "data_sha256": "d"}  # fmt: skip
    return Key(**{**values, **changed})  # type: ignore[arg-type]


def split(n: int, views: int = 1, seed: int = 0) -> SplitFeatures:
    """Three clouds around their own axes; every view has its own noise."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % len(LABELS)
    centres = 2 * torch.eye(len(LABELS), WIDTH)
    noise = torch.randn(views, n, WIDTH, generator=draw)
    return SplitFeatures(centres[labels] + noise, labels, tuple(f"{i}.jpg" for i in range(n)), {})


def features(views: int = 2) -> Features:
    splits = {"train": split(50, views), "valid": split(20, seed=1), "test": split(20, seed=2)}
    return Features(key(), LABELS, splits)  # type: ignore[arg-type]


def job(base: Path, options: Options) -> Job:
    folders = Folders.from_env({"SAGEMAKER_BASE_DIR": str(base)})
    profiler = Profiler.start(base, enabled=False)
    return Job(options, folders, Workers(), profiler, Interruption())


def pretrained(classifier: tuple[torch.Tensor, torch.Tensor] | None) -> Pretrained:
    return Pretrained("efficientnet_lite0", {}, classifier, "drawn", "w")
