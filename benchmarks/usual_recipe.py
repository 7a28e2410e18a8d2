"""Training against the usual recipe: `make benchmark NAME=usual_recipe`.

The usual recipe is that of the course project which many start from: a frozen backbone whose
features are computed anew in every epoch, a three-layer head (2048, 516), Adam with lr 0.00153,
batches of 64, 16 epochs, in plain PyTorch and torchvision. Ours is training/train.py with its
defaults. Both get the same backbone, weights and photos. Two figures, in CPU seconds of user and
system time, children included:
- what each needs to reach the best validation accuracy that the usual recipe reaches (goal: 20
  times less);
- eight tuning trials of ours, the pass over the photos included, against one whole trial of the
  usual recipe (goal: less than one).

An epoch of the usual recipe is run as it is on every TIMED_SHAREth training and validation photo,
twice, in turns with ours, and its cost is scaled to all of them: nothing in it depends on which
photos they are. Its accuracy after each epoch comes from training its head on kept features of the
plain photos, because a frozen backbone gives the same features in every epoch; random crops, which
would change them, are left out of both sides.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without. They
descend from ImageNet, which the backbone has seen: the accuracies flatter both sides.
Writes usual_recipe.json.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import cast

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.report import ROOT, machine, write
from rigs.photos import DOGS, require_dogs
from training.features.file import FILE, Features, SplitFeatures, read
from training.network.backbones import Pretrained, build_backbone, load_pretrained
from training.network.heads import build_head

BACKBONE = "efficientnet_lite2"
HEAD = (2048, 516)
LR, BATCH, EPOCHS = 0.00153, 64, 16
TIMED_SHARE = 10
ROUNDS = 2
SEEDS = (0, 1, 2)
# The trials' learning rates: evenly spread, on a logarithmic scale, over the tuner's own range.
TRIAL_RATES = [0.001 * 100 ** (trial / 7) for trial in range(8)]


def main() -> int:
    """Measure, print, and write the results."""
    require_dogs()
    pretrained = load_pretrained(BACKBONE)
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        usual_epochs, ours_features = [], []
        for _ in range(ROUNDS):
            print("one epoch of the usual recipe, on a tenth of the photos", flush=True)
            usual_epochs.append(cpu_seconds(lambda: usual_epoch(pretrained)) * TIMED_SHARE)
            print("one pass of ours over all photos", flush=True)
            ours_features.append(cpu_seconds(lambda: train(base, features_only="true")))
        features = read(base / "model" / FILE)
        usual = [usual_accuracies(features, seed) for seed in SEEDS]
        reached = to_reach(base, median(max(accuracies) for accuracies in usual))
        trials = [cpu_seconds(lambda: train(base, lr=rate)) for rate in TRIAL_RATES]  # noqa: B023 - called at once
    report(usual_epochs, ours_features, usual, reached, trials)
    return 0


def cpu_seconds(work: Callable[[], object]) -> float:
    """User and system time of this process and its ended children during the call."""

    def used() -> float:
        return sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )

    before = used()
    work()
    return used() - before


def usual_epoch(pretrained: Pretrained) -> None:
    """Train and validate for one epoch, as the usual script does it, on a share of the photos."""
    backbone = build_backbone(BACKBONE)
    backbone.load_state_dict(dict(pretrained.tensors))
    backbone.requires_grad_(False)
    head = build_head((cast(int, backbone.num_features), *HEAD, 120))
    model = nn.Sequential(backbone, head)
    optimizer = torch.optim.Adam(head.parameters(), lr=LR)
    model.train()
    for images, labels in usual_loader(pretrained, "train"):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        for images, _ in usual_loader(pretrained, "valid"):
            model(images)


def usual_loader(pretrained: Pretrained, split: str) -> Iterator[list[torch.Tensor]]:
    """Every TIMED_SHAREth photo, through torchvision's usual transforms."""
    spec = pretrained.entry.preprocess
    transform = transforms.Compose(
        [
            transforms.Resize(spec.resize, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(spec.crop),
            transforms.ToTensor(),
            transforms.Normalize(spec.mean, spec.std),
        ]
    )
    data = ImageFolder(str(DOGS / split), transform)
    part = Subset(data, range(0, len(data), TIMED_SHARE))
    return iter(DataLoader(part, batch_size=BATCH, shuffle=split == "train"))


def usual_accuracies(features: Features, seed: int) -> list[float]:
    """Validation accuracy after each epoch of the usual recipe."""
    torch.manual_seed(seed)
    train_split, valid = features.splits["train"], features.splits["valid"]
    x, y = train_split.views[0], train_split.labels
    head = build_head((x.shape[1], *HEAD, len(features.labels)))
    optimizer = torch.optim.Adam(head.parameters(), lr=LR)
    accuracies = []
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(x[batch]), y[batch]).backward()
            optimizer.step()
        accuracies.append(accuracy(head, valid))
    return accuracies


@torch.no_grad()
def accuracy(head: nn.Module, split: SplitFeatures) -> float:
    """Share of the split's photos whose label comes first."""
    right: torch.Tensor = head(split.views[0]).argmax(1) == split.labels
    return float(right.float().mean())


def train(base: Path, **options: object) -> str:
    """training/train.py as a job runs it, with a fresh cache; returns what it printed."""
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_CHANNEL_DATA": str(DOGS),
    }
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    if options.get("features_only"):
        for kept in (base / "cache").glob("*"):
            kept.unlink()
    else:
        environment["SM_CHANNEL_FEATURES"] = str(base / "model")
        environment["SM_MODEL_DIR"] = str(base / "trial")
        del environment["SM_CHANNEL_DATA"]
    command = [sys.executable, str(ROOT / "training" / "train.py"), f"--backbone={BACKBONE}"]
    done = subprocess.run([*command, *words], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"train.py failed: {done.stderr[-2000:]}")
    return done.stdout


def to_reach(base: Path, target: float) -> tuple[int, float]:
    """The least number of epochs with which ours reaches `target`, and that run's CPU seconds."""
    for epochs in range(1, EPOCHS + 1):
        printed = ""

        def run() -> None:
            nonlocal printed
            printed = train(base, epochs=epochs)  # noqa: B023 - called at once

        seconds = cpu_seconds(run)
        best = float(re.findall(r"validation:accuracy=([0-9.]+)", printed)[-1])
        if best >= target:
            return epochs, seconds
    raise RuntimeError(f"ours did not reach {target:.1%} within {EPOCHS} epochs")


def report(
    usual_epochs: list[float],
    passes: list[float],
    usual: list[list[float]],
    reached: tuple[int, float],
    trials: list[float],
) -> None:
    """Print the tables and write the JSON."""
    epoch, features = median(usual_epochs), median(passes)
    best = median(max(accuracies) for accuracies in usual)
    needed = median(accuracies.index(max(accuracies)) + 1 for accuracies in usual)
    ours = features + reached[1]
    tuning = features + sum(trials)
    rows = [
        ("usual: one epoch, scaled", f"{epoch:.0f} s", ""),
        (f"usual: best validation accuracy (after epoch {needed:.0f})", f"{best:.1%}", ""),
        ("usual: until then", f"{needed * epoch:.0f} s", ""),
        ("ours: features of all photos", f"{features:.0f} s", ""),
        (f"ours: features and {reached[0]} epochs, the same accuracy", f"{ours:.0f} s", ""),
        ("usual / ours", f"{needed * epoch / ours:.1f}", "20 or more"),
        ("ours: features and 8 tuning trials", f"{tuning:.0f} s", ""),
        (f"usual: one trial, {EPOCHS} epochs", f"{EPOCHS * epoch:.0f} s", ""),
        ("8 trials of ours / 1 usual trial", f"{tuning / (EPOCHS * epoch):.3f}", "below 1"),
    ]
    table = Table("CPU time", "", "goal", title=f"{BACKBONE}, {DOGS.name}: training")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    content = {
        "command": "make benchmark NAME=usual_recipe",
        "photos": "DOGS_DATA; they descend from ImageNet, which the backbone has seen",
        "backbone": BACKBONE,
        "machine": machine() | {"torch": version("torch")},
        "usual_epoch_cpu_s": [round(value, 1) for value in usual_epochs],
        "usual_epoch_is": f"1/{TIMED_SHARE} of an epoch, run as it is, times {TIMED_SHARE}",
        "usual_validation_accuracy_by_epoch": {
            str(seed): [round(value, 4) for value in accuracies]
            for seed, accuracies in zip(SEEDS, usual, strict=True)
        },
        "features_cpu_s": [round(value, 1) for value in passes],
        "epochs_to_reach_it": reached[0],
        "trial_cpu_s": [round(value, 1) for value in trials],
        "usual_over_ours_to_same_accuracy": round(needed * epoch / ours, 1),
        "eight_trials_over_one_usual_trial": round(tuning / (EPOCHS * epoch), 3),
    }
    write("usual_recipe", content)


if __name__ == "__main__":
    sys.exit(main())
