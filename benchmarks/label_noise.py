"""Is a challenger refused whose labels are wrong? `python -m benchmarks.label_noise`.

The champion is trained on four fifths of the training photos. Challengers get all of them: as they
are, or with the labels of some photos shuffled among each other, in the training split alone or in
the validation split too. Each meets the champion on the 840 test photos, whose labels stay, by the
rules of training/contest/verdict.py. One more challenger is the champion's twin: the same photos,
another seed. Three seeds.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without. They
descend from ImageNet, which the backbone has seen. Writes label_noise.json.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.heads import Trainer, answered, test_photos
from benchmarks.report import machine, write
from rigs.photos import require_dogs
from training.contest.verdict import Contest, judge
from training.data.folders import Split
from training.features.file import Features, SplitFeatures

SEEDS = (0, 1, 2)
CHAMPIONS_SHARE = 0.8
TRAIN: tuple[Split, ...] = ("train",)
BOTH: tuple[Split, ...] = ("train", "valid")
# Name of the challenger -> the share of labels that is shuffled, and in which splits.
CHALLENGERS: dict[str, tuple[float, tuple[Split, ...]]] = {
    "as they are": (0, ()),
    "a tenth shuffled in train": (0.1, TRAIN),
    "a tenth shuffled in train and valid": (0.1, BOTH),
    "a fifth shuffled in train": (0.2, TRAIN),
    "a fifth shuffled in train and valid": (0.2, BOTH),
}
TWIN = "the champion's photos, another seed"


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_noise")
    parser.add_argument("--cache", type=Path, help="keep the photos' features in this folder")
    cache: Path | None = parser.parse_args().cache
    require_dogs()
    with Trainer.opened(cache) as trainer:
        contests = [one for seed in SEEDS for one in of_seed(trainer, seed)]
    Console().print(table(contests))
    write(
        "label_noise",
        {
            "command": "python -m benchmarks.label_noise",
            "machine": machine(),
            "seeds": SEEDS,
            "contests": contests,
        },
    )
    return 0


def of_seed(trainer: Trainer, seed: int) -> list[dict[str, Any]]:
    """Every challenger against one champion."""
    features = trainer.features
    chance = np.random.default_rng(seed)
    count = len(features.splits["train"].labels)
    four_fifths = np.sort(chance.permutation(count)[: round(CHAMPIONS_SHARE * count)])
    small = with_split(features, "train", taken(features.splits["train"], four_fifths))
    photos, rows = test_photos(features), features.splits["test"].views[0].numpy()
    champion = answered(trainer.trained(small, seed), photos, rows)
    found = []
    for name, made, with_seed in (
        (TWIN, small, seed + len(SEEDS)),
        *((name, shuffled(features, *how, chance), seed) for name, how in CHALLENGERS.items()),
    ):
        challenger = answered(trainer.trained(made, with_seed), photos, rows)
        contest = judge(champion, challenger, photos, [])
        found.append({"seed": seed, "challenger": name, **figures(contest)})
    return found


def taken(split: SplitFeatures, at: NDArray[np.int64]) -> SplitFeatures:
    """Some of a split's photos."""
    names = tuple(split.names[one] for one in at)
    return SplitFeatures(split.views[:, at], split.labels[at], names, {})


def with_split(features: Features, name: Split, split: SplitFeatures) -> Features:
    """The data set with another split in its place."""
    return replace(features, splits={**features.splits, name: split})


def shuffled(
    features: Features, share: float, splits: tuple[Split, ...], chance: np.random.Generator
) -> Features:
    """The labels of this share of the photos change places; few get their own back."""
    for name in splits:
        split = features.splits[name]
        labels = split.labels.numpy().copy()
        at = chance.choice(len(labels), round(share * len(labels)), replace=False)
        labels[at] = chance.permutation(labels[at])
        features = with_split(features, name, replace(split, labels=torch.from_numpy(labels)))
    return features


def figures(contest: Contest) -> dict[str, Any]:
    """What the rules saw, and said."""
    told = contest.to_json()
    return {
        "verdict": contest.word,
        "reason": contest.reason,
        "test_top1": round(contest.challenger.top1.value, 4),
        "on_train": told["challenger"]["on_train"]["value"],
        "won": contest.test.only_challenger,
        "lost": contest.test.only_champion,
        "p": round(contest.test.p, 4),
        "log_loss": told["log_loss"],
    }


def table(contests: list[dict[str, Any]]) -> Table:
    """One row a contest."""
    view = Table(title="Challengers whose labels are wrong, against a champion of right ones")
    for name in ("challenger", "seed", "test", "own photos", "won, lost", "log loss", "verdict"):
        view.add_column(name)
    for one in sorted(contests, key=lambda each: (each["challenger"], each["seed"])):
        view.add_row(
            one["challenger"], str(one["seed"]), f"{one['test_top1']:.1%}",
            f"{one['on_train']:.1%}", f"+{one['won']} -{one['lost']}",
            f"{one['log_loss']['difference']:+.3f}", one["verdict"],
        )  # fmt: skip
    return view


if __name__ == "__main__":
    sys.exit(main())
