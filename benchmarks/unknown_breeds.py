"""Which score tells a dog of no known breed? `python -m benchmarks.unknown_breeds [--cache DIR]`.

Twenty breeds are left out, five times, and the job trains on the others with its defaults. Then
the test photos of the known breeds meet all photos of the left-out ones, none of which the head has
seen. For each way to score a photo the area under the ROC curve is the chance that a photo of an
unknown breed has the higher novelty of two:
- the largest softmax value (Hendrycks and Gimpel, 2017), the largest logit (Hendrycks et al.,
  2022), the energy (Liu et al., 2020);
- the distance to class means in feature space, with the classes' common covariance (Mahalanobis;
  Lee et al., 2018), and the cosine to the nearest mean;
- the mean cosine to the five nearest training photos (Sun et al., 2022);
- the ImageNet head's own knowledge of other breeds: its mass on dogs that no known breed starts
  from. It has seen the left-out breeds under their names, which flatters it: so once more with
  those classes taken out of it;
- the sum of the ranks of energy and ImageNet head, both times.

For the chosen way, the energy, the threshold that the job fits to the validation photos is
applied: what is kept of the known breeds, what is found of the others, and what accuracy becomes.
What scoring costs is timed against a pass of the backbone.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without. They
descend from ImageNet, which the backbone has seen. Writes unknown_breeds.json.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.heads import BACKBONE, Trainer
from benchmarks.report import machine, write
from rigs.photos import require_dogs
from serving.model import Model, familiarity, softmax
from serving.package import ENERGY, LARGEST_LOGIT
from training.features.file import Features, SplitFeatures
from training.network.backbones import Pretrained, load_pretrained
from training.network.breeds import FIRST_BREED, LAST_WILD_DOG

LEFT_OUT, DRAWS = 20, 5
NEIGHBOURS = 5
SHRINKAGE = 0.1
TIMED = 200
CHOSEN = "energy"

Floats = NDArray[np.float64]


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unknown_breeds")
    parser.add_argument("--cache", type=Path, help="keep the photos' features in this folder")
    cache: Path | None = parser.parse_args().cache
    require_dogs()
    with Trainer.opened(cache) as trainer:
        pretrained = load_pretrained(BACKBONE)
        draws = [draw(trainer, number, pretrained) for number in range(DRAWS)]
        cost = cost_of(trainer.trained(trainer.features))
    ways = {
        way: {
            "auroc": [round(one["auroc"][way], 4) for one in draws],
            "mean": round(mean(one["auroc"][way] for one in draws), 4),
            "spread": round(stdev(one["auroc"][way] for one in draws), 4),
        }
        for way in draws[0]["auroc"]
    }
    chosen = {
        name: round(mean(one["chosen"][name] for one in draws), 4) for name in draws[0]["chosen"]
    }
    Console().print(table(ways))
    Console().print({"chosen": chosen, "cost": cost})
    write(
        "unknown_breeds",
        {
            "command": "python -m benchmarks.unknown_breeds",
            "machine": machine(),
            "left_out": LEFT_OUT,
            "draws": DRAWS,
            "n": {"known": draws[0]["known"], "unknown": draws[0]["unknown"]},
            "ways": ways,
            "chosen": {"way": CHOSEN, **chosen},
            "by_draw": [one["chosen"] for one in draws],
            "cost": cost,
        },
    )
    return 0


def part(split: SplitFeatures, classes: NDArray[np.int64]) -> SplitFeatures:
    """The photos of these classes, which are numbered anew."""
    labels = split.labels.numpy()
    kept = np.flatnonzero(np.isin(labels, classes))
    return SplitFeatures(
        split.views[:, kept],
        torch.from_numpy(np.searchsorted(classes, labels[kept])),
        tuple(split.names[at] for at in kept),
        {},
    )


def draw(trainer: Trainer, number: int, pretrained: Pretrained) -> dict[str, Any]:
    """Train without twenty breeds, and score the photos of all."""
    features = trainer.features
    shuffled = np.random.default_rng(number).permutation(len(features.labels))
    out, known = np.sort(shuffled[:LEFT_OUT]), np.sort(shuffled[LEFT_OUT:])
    kept = replace(
        features,
        labels=tuple(features.labels[at] for at in known),
        splits={name: part(split, known) for name, split in features.splits.items()},
    )
    model = trainer.trained(kept)
    others = torch.cat([part(split, out).views[0] for split in features.splits.values()]).numpy()
    test = kept.splits["test"]
    rows = {"known": test.views[0].numpy(), "unknown": others}
    scored = {
        name: scores(model, found, kept.splits["train"], pretrained, features, out)
        for name, found in rows.items()
    }
    for way, parts in (
        ("energy + ImageNet head", (CHOSEN, "ImageNet head")),
        ("energy + ImageNet head, classes hidden", (CHOSEN, "ImageNet head, classes hidden")),
    ):
        both = sum(ranks(np.concatenate([scored[one][p] for one in rows])) for p in parts)
        scored["known"][way], scored["unknown"][way] = np.split(both, [len(test.labels)])
    return {
        "known": len(test.labels),
        "unknown": len(others),
        "auroc": {way: auroc(scored["known"][way], scored["unknown"][way])
                  for way in scored["known"]},
        "chosen": at_threshold(model, rows, test.labels.numpy()),
    }  # fmt: skip


def scores(
    model: Model,
    rows: NDArray[np.float32],
    train_split: SplitFeatures,
    pretrained: Pretrained,
    features: Features,
    out: NDArray[np.int64],
) -> dict[str, Floats]:
    """Each way's novelty of some photos: the higher, the stranger."""
    logits = model.heads(rows)[0]
    seen, labels = train_split.views[0].numpy().astype(np.float64), train_split.labels.numpy()
    means = np.stack([seen[labels == one].mean(0) for one in range(labels.max() + 1)])
    spread = np.cov((seen - means[labels]).T)
    flat = np.trace(spread) / len(spread) * np.eye(len(spread))
    whiten = np.linalg.cholesky(np.linalg.inv((1 - SHRINKAGE) * spread + SHRINKAGE * flat))
    white, centres = rows @ whiten, means @ whiten
    far = (white**2).sum(1)[:, None] - 2 * white @ centres.T + (centres**2).sum(1)
    near = np.sort(unit(rows) @ unit(seen).T, axis=1)[:, -NEIGHBOURS:]
    return {
        "largest softmax": -softmax(logits, model.manifest.temperature).max(1),
        "largest logit": -familiarity(logits, LARGEST_LOGIT),
        CHOSEN: -familiarity(logits, ENERGY),
        "Mahalanobis": far.min(1),
        "cosine to class means": -(unit(rows) @ unit(means).T).max(1),
        "five nearest photos": -near.mean(1),
        "ImageNet head": imagenet(rows, train_split, pretrained, ()),
        "ImageNet head, classes hidden": imagenet(
            rows, train_split, pretrained, nearest(pretrained, features.splits["train"], out)
        ),
    }


def unit(rows: NDArray[Any]) -> Floats:
    """Each row with length 1."""
    lengths: Floats = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def imagenet_logits(pretrained: Pretrained, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, features) -> (N, 1000)."""
    if pretrained.classifier is None:
        raise RuntimeError("the weights came without their classifier")
    weight, bias = (one.numpy() for one in pretrained.classifier)
    found: NDArray[np.float32] = rows @ weight.T + bias
    return found


def nearest(
    pretrained: Pretrained, split: SplitFeatures, classes: NDArray[np.int64]
) -> tuple[int, ...]:
    """The ImageNet class that each class's training photos are most often taken for."""
    chances = softmax(imagenet_logits(pretrained, split.views[0].numpy()), 1)
    labels = split.labels.numpy()
    return tuple(int(chances[labels == one].sum(0).argmax()) for one in classes)


def imagenet(
    rows: NDArray[np.float32], split: SplitFeatures, pretrained: Pretrained, hidden: tuple[int, ...]
) -> Floats:
    """The share of the dogs' mass that lies on breeds which no known breed is taken for."""
    known = nearest(pretrained, split, np.arange(int(split.labels.max()) + 1))
    dogs = [one for one in range(FIRST_BREED, LAST_WILD_DOG + 1)
            if one in known or one not in hidden]  # fmt: skip
    chances = softmax(imagenet_logits(pretrained, rows)[:, dogs], 1)
    share: Floats = 1 - chances[:, [one in known for one in dogs]].sum(1)
    return share


def ranks(values: Floats) -> Floats:
    """0 for the least, counting up."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)


def auroc(known: Floats, unknown: Floats) -> float:
    """The chance that an unknown one's score is above a known one's; ties count half."""
    ordered = np.sort(known)
    below = np.searchsorted(ordered, unknown, "left") + np.searchsorted(ordered, unknown, "right")
    return float(below.mean() / (2 * len(known)))


def at_threshold(
    model: Model, rows: dict[str, NDArray[np.float32]], labels: NDArray[np.int64]
) -> dict[str, float]:
    """What the model's own threshold does, of the photos that are taken for dogs."""
    known, unknown = (model.answers(rows[name]) for name in ("known", "unknown"))
    names = model.manifest.labels
    right = [one.label == names[at] for one, at in zip(known, labels, strict=True)]
    told = [one.label is not None and not one.unknown for one in known]
    both = [a and b for a, b in zip(right, told, strict=True)]
    sure = [one for one in unknown if not one.unknown and one.label and one.confidence >= 0.9]
    return {
        "known_kept": mean(not one.unknown for one in known),
        "unknown_found": mean(one.unknown for one in unknown),
        "right_without": mean(right),
        "right_with": mean(both),
        "right_of_the_answered": sum(both) / sum(told),
        "unknown_with_a_breed_at_90": len(sure) / len(unknown),
    }


def cost_of(model: Model) -> dict[str, float]:
    """Microseconds a photo, one thread, passes of four photos: of a pass, and of what came new."""
    plain = Model(
        replace(model.manifest, temperature=1.0, novelty=None), model.backbone, model.heads
    )
    crop = model.manifest.preprocess.crop
    pictures = np.random.default_rng(0).integers(0, 256, (4, crop, crop, 3)).astype(np.uint8)
    (features,) = model.backbone(pictures)

    def timed(work: Callable[[], object]) -> float:
        taken = []
        for _ in range(TIMED):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
        return median(taken) / len(pictures) * 1e6

    whole = timed(lambda: model.predict(pictures))
    extra = timed(lambda: model.answers(features)) - timed(lambda: plain.answers(features))
    return {
        "pass_us": round(whole, 1),
        "novelty_us": round(extra, 1),
        "share": round(extra / whole, 5),
    }


def table(ways: dict[str, dict[str, Any]]) -> Table:
    """The best first."""
    view = Table(title=f"{LEFT_OUT} breeds left out, {DRAWS} draws: area under the ROC curve")
    for name in ("score", "mean", "spread"):
        view.add_column(name)
    for way, found in sorted(ways.items(), key=lambda item: -item[1]["mean"]):
        view.add_row(way, f"{found['mean']:.3f}", f"{found['spread']:.3f}")
    return view


if __name__ == "__main__":
    sys.exit(main())
