"""What a person's reviews are worth, and in which order: `python -m benchmarks.reviewer`.

A model of 100 breeds with 8 photos each answers 2,000 other photos, among which are those of 20
breeds that it does not know. A reviewer who is always right looks at 300 of them: once in the
order of the page's queue, once at random. After each hundred a data set is made, a model is trained
on it, and 840 test photos of all 120 breeds are answered. Three seeds draw the unknown breeds, the
photos and the order of the random one.

By the project's own code: the package's answer, the rows that the function writes of it, the
queue's order over these rows, what a history of reviews says, which photo it puts into which split
of the new version and which breed becomes a class, and the training job with its defaults. Not
through a deployed stack: no bucket, queue or endpoint takes part, and indexes are in memory. The
random sample is shown and reviewed as the queue does, and goes to the audit, which no training
sees.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without. They
descend from ImageNet, which the backbone has seen. Writes reviewer.json and reviewer.svg.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.report import ROOT, machine, write
from rigs.photos import DOGS

sys.path[:0] = [str(ROOT / "functions" / name) for name in ("classify", "api")]

from api.listing import Partition, Start  # noqa: E402
from api.queue import read_queue  # noqa: E402
from classify.events import Upload  # noqa: E402
from classify.images import Photo as Decoded  # noqa: E402
from classify.rows import answered_row  # noqa: E402
from classify.wire import Answer, Prediction  # noqa: E402
from rigs.rows import NOW  # noqa: E402
from serving.model import Model, load  # noqa: E402
from serving.settings import cpu_count  # noqa: E402
from training.data.folders import AUDIT, SPLITS, Split  # noqa: E402
from training.data.reviewed import (  # noqa: E402
    BasePhoto,
    Photo,
    Reviewed,
    Rules,
    folder_of,
    make_version,
)
from training.data.reviews import opinions, tidy  # noqa: E402
from training.features import file  # noqa: E402
from training.features.file import FILE, Features, SplitFeatures  # noqa: E402

BACKBONE = "efficientnet_lite2"
JOB = ROOT / ".venv" / "job" / "bin" / "python"
SEEDS = (0, 1, 2)
UNKNOWN, FIRST_PHOTOS, POOL = 20, 8, 2000
ROUNDS, A_ROUND = 3, 100
SHOWN = 20  # photos that the page asks the queue for at once
# Of 2,000 photos 19 show each unknown breed: with the default of ten hardly one became a class.
RULES = Rules(new_class_at=4)
FIRST_MONTH = "2026-11"
INDEXES = {
    "by-confidence": ("confidence_key", "confidence"),
    "sample": ("sample_key", "sample_order"),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """A photo of the data set by its sha256: features (n,), label, and its name there."""

    row: NDArray[np.float32]
    label: str
    name: str


class Shelf:
    """The table's indexes in memory, as api.listing asks them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = {row["image_key"]: row for row in rows}

    def query(
        self, asked: Sequence[tuple[Partition, Start | None, int]], forward: bool
    ) -> list[tuple[list[Row], bool]]:
        """Each partition's next rows, and whether there are none after them."""
        return [self._query(*one, forward) for one in asked]

    def _query(
        self, partition: Partition, start: Start | None, count: int, forward: bool
    ) -> tuple[list[Row], bool]:
        hash_name, sort = INDEXES[partition.index]

        def place(row: Row) -> tuple[Any, str]:
            return row[sort], row["image_key"]

        found = [row for row in self.rows.values() if row.get(hash_name) == partition.hash_value]
        found.sort(key=place, reverse=not forward)
        if start:
            at = (start.sort, start.key)
            found = [row for row in found if (place(row) > at if forward else place(row) < at)]
        return found[:count], len(found) <= count


def main() -> int:
    """Measure, print, draw, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reviewer")
    parser.add_argument("--cache", type=Path, help="keep the photos' features in this folder")
    cache: Path | None = parser.parse_args().cache
    if not (DOGS / "train").is_dir():
        print(f"error: {DOGS} holds no photos; set DOGS_DATA", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        if cache:
            cache.mkdir(parents=True, exist_ok=True)
            (base / "cache").symlink_to(cache.resolve())
        train(base, SM_CHANNEL_DATA=DOGS, SM_MODEL_DIR=base / "all", features_only=True)
        features = file.read(base / "all" / FILE)
        with Progress() as bars:
            task = bars.add_task("trainings", total=len(SEEDS) * (1 + 2 * ROUNDS))
            runs = [
                Run(base, features, seed, lambda: bars.advance(task)).result() for seed in SEEDS
            ]
    Console().print(table(runs))
    write(
        "reviewer",
        {
            "command": "python -m benchmarks.reviewer",
            "machine": machine(),
            "seeds": SEEDS,
            "n": {
                "pool": POOL,
                "unknown_breeds": UNKNOWN,
                "test": len(features.splits["test"].labels),
            },
            "first_photos_a_breed": FIRST_PHOTOS,
            "new_class_at": RULES.new_class_at,
            "runs": runs,
        },
    )
    return 0


def train(base: Path, *, features_only: bool = False, **environment: Path) -> None:
    """training/train.py as a job runs it."""
    told = {"SAGEMAKER_BASE_DIR": str(base)} | {k: str(v) for k, v in environment.items()}
    # Here are the functions' packages, and not what the job draws its plots with.
    command = [str(JOB), "training/train.py", "--backbone", BACKBONE]
    subprocess.run(
        [*command, "--features-only", str(features_only).lower()],
        cwd=ROOT, env={**os.environ, **told}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


class Run:
    """One seed: a first model, and two reviewers of what it answered."""

    def __init__(self, base: Path, features: Features, seed: int, advance: Any) -> None:
        self._base, self._features, self._advance = base, features, advance
        self._photos = by_digest(features)
        self._chance = random.Random(seed)
        labels = [tidy(label) for label in features.labels]
        self._unknown = set(self._chance.sample(labels, UNKNOWN))
        self._base_photos, rest = self._first_photos()
        self._pool = self._chance.sample(rest, POOL)

    def result(self) -> dict[str, Any]:
        """Test accuracy and breeds known before, and after each round of both."""
        first = self._trained([])
        rows = self._answered(first)
        shuffled = [row["image_key"] for row in rows]
        self._chance.shuffle(shuffled)
        start = {"reviewed": 0, **self._tested(first)}
        unknown = sum(row["status"] == "UNKNOWN_BREED" for row in rows)
        really = sum(self._photos[row["etag"]].label in self._unknown for row in rows)
        found = sum(
            row["status"] == "UNKNOWN_BREED" and self._photos[row["etag"]].label in self._unknown
            for row in rows
        )
        return {
            "answered": {"unknown": unknown, "really": really, "found": found},
            "queue": [start, *self._reviewed(rows, None)],
            "random": [start, *self._reviewed(rows, shuffled)],
        }

    def _first_photos(self) -> tuple[list[BasePhoto], list[str]]:
        """The base data set, and the digests of the other training photos."""
        base, rest, seen = [], [], set()
        for split in SPLITS:
            part = self._features.splits[split]
            order = list(range(len(part.names)))
            self._chance.shuffle(order)
            count: dict[str, int] = {}
            for at in order:
                digest = part.digests[at]
                known = self._photos[digest]
                if digest in seen:
                    continue
                seen.add(digest)
                count[known.label] = count.get(known.label, 0) + 1
                if known.label not in self._unknown and (
                    split != "train" or count[known.label] <= FIRST_PHOTOS
                ):
                    name = f"{split}/{folder_of(known.label)}/{digest[:16]}.jpg"
                    base.append(BasePhoto(name, known.label, Photo(Path(name), digest)))
                elif split == "train":
                    rest.append(digest)
        return base, rest

    def _answered(self, model: Model) -> list[Row]:
        """The rows that the function writes of what the model answers."""
        answers = model.answers(np.stack([self._photos[digest].row for digest in self._pool]))
        rows = []
        for number, (digest, one) in enumerate(zip(self._pool, answers, strict=True)):
            upload = Upload("photos", f"uploads/{digest}.jpg", f"{number:016X}", etag=digest)
            told = Prediction(
                one.label, one.confidence, one.top, one.dog_probability, one.novelty, one.unknown
            )
            answer = Answer((told,), model.manifest.version, "AllTraffic")
            rows.append(answered_row(upload, Decoded(b"", 1, 1), told, answer, NOW))
        return rows

    def _reviewed(self, rows: list[Row], order: list[str] | None) -> list[dict[str, Any]]:
        """After each round: what is known then. `order` None: the queue's."""
        table = Shelf(rows)
        history: list[Row] = []
        previous: dict[str, Any] | None = None
        told = []
        for _ in range(ROUNDS):
            while len(history) % A_ROUND or len(history) == A_ROUND * len(told):
                shown = (
                    [table.rows[key] for key in order[len(history) :][:SHOWN]]
                    if order
                    else read_queue(SHOWN, FIRST_MONTH, NOW + timedelta(days=1), table.query)
                )
                for row in shown:
                    history.append(self._word(row, len(history)))
                    table.rows[row["image_key"]] = done(row)
            plan = make_version(
                self._base_photos, self._with_photos(history, rows), previous, RULES
            )
            previous = plan.manifest
            model = self._trained(plan.manifest["photos"])
            told.append({"reviewed": len(history), **self._tested(model)})
        return told

    def _word(self, row: Row, number: int) -> Row:
        """What somebody who knows every breed says, as the reviews table has it."""
        truth = self._photos[row["etag"]].label
        right = row.get("breed") == truth
        verdict = "RIGHT" if right else "WRONG_BREED" if truth not in self._unknown else "NEW_BREED"
        entry = {
            "image_key": row["image_key"], "version": row["sequencer"], "verdict": verdict,
            "review_id": f"{number:06d}", "by": "reviewer", "by_id": "1", "at": f"{number:06d}",
            "answer": {name: row[name] for name in ("status", "breed") if name in row},
        }  # fmt: skip
        return entry if right else entry | {"breed": truth}

    def _with_photos(self, history: list[Row], rows: list[Row]) -> list[Reviewed]:
        etags = {row["image_key"]: row["etag"] for row in rows}
        return [
            Reviewed(one, Photo(Path(one.key), etags[one.key])) for one in opinions(history, rows)
        ]

    def _trained(self, photos: list[dict[str, Any]]) -> Model:
        """A model of these photos of a version's manifest; of the base alone where there are none."""
        chosen = photos or [
            {"name": one.name, "sha256": one.photo.sha256, "label": one.label}
            for one in self._base_photos
        ]
        parts: dict[str, list[tuple[str, str]]] = {split: [] for split in (*SPLITS, AUDIT)}
        for one in chosen:
            parts[one["name"].partition("/")[0]].append((one["sha256"], one["label"]))
        labels = tuple(sorted({label for _, label in parts["train"]}))
        index = {label: at for at, label in enumerate(labels)}
        splits: dict[Split, SplitFeatures] = {
            split: SplitFeatures(
                torch.from_numpy(np.stack([self._photos[d].row for d, _ in parts[split]]))[None],
                torch.tensor([index[label] for _, label in parts[split]]),
                tuple(digest for digest, _ in parts[split]),
                {},
            )
            for split in SPLITS
        }
        file.write(
            self._base / "channel" / FILE, replace(self._features, labels=labels, splits=splits)
        )
        train(
            self._base, SM_CHANNEL_FEATURES=self._base / "channel",
            SM_MODEL_DIR=self._base / "model",
        )  # fmt: skip
        self._advance()
        return load(self._base / "model", cpu_count())

    def _tested(self, model: Model) -> dict[str, Any]:
        """Of the test photos of all breeds: how many get the right one, whatever is unknown."""
        test = self._features.splits["test"]
        logits = model.heads(test.views[0].numpy())[0]
        said = [model.manifest.labels[at] for at in logits.argmax(1)]
        truth = [tidy(self._features.labels[at]) for at in test.labels.tolist()]
        right = [one == other for one, other in zip(said, truth, strict=True)]
        old = [hit for hit, label in zip(right, truth, strict=True) if label not in self._unknown]
        return {
            "test_top1": round(mean(right), 4),
            "top1_of_first_breeds": round(mean(old), 4),
            "breeds": len(model.manifest.labels),
        }


def by_digest(features: Features) -> dict[str, Known]:
    """Every photo of the data set."""
    return {
        digest: Known(part.views[0, at].numpy(), tidy(features.labels[label]), name)
        for part in features.splits.values()
        for at, (digest, label, name) in enumerate(
            zip(part.digests, part.labels.tolist(), part.names, strict=True)
        )
    }


def done(row: Row) -> Row:
    """The row once it is reviewed: in none of the queue's partitions."""
    return {
        name: value for name, value in row.items() if name not in ("confidence_key", "sample_key")
    }


def table(runs: list[dict[str, Any]]) -> Table:
    """Means over the seeds."""
    view = Table(title="Test accuracy on all 120 breeds, and breeds known")
    for name in ("reviewed", "queue", "random", "breeds, queue", "breeds, random"):
        view.add_column(name, justify="right")
    for at in range(ROUNDS + 1):
        cells = [str(runs[0]["queue"][at]["reviewed"])]
        for what, form in (("test_top1", "{:.1%}"), ("breeds", "{:.1f}")):
            cells += [form.format(mean(run[way][at][what] for run in runs))
                      for way in ("queue", "random")]  # fmt: skip
        view.add_row(*cells)
    return view


if __name__ == "__main__":
    sys.exit(main())
