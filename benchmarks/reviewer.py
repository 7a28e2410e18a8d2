"""What a person's reviews are worth, and in which order: `python -m benchmarks.reviewer`.

A model of 100 breeds with 8 photos each answers 2,000 other photos, among which are those of 20
breeds that it does not know. A reviewer who is always right looks at 300 of them: once in the
order of the page's queue, once at random. After each hundred a data set is made, a model is trained
on it, and 840 test photos of all 120 breeds are answered. Three seeds draw the unknown breeds, the
photos and the order of the random one.

By the project's own code: the package's answer, the rows that the function writes of it, the
queue's order over these rows, what a history of reviews says, which photo it puts into which split
of the new version and which breed becomes a class, and the training job with its defaults. Not
through a deployed stack (benchmarks.reviewer_deployed does that, once): no bucket, queue or
endpoint takes part, and indexes are in memory. The random sample is shown and reviewed as the queue
does, and goes to the audit, which no training sees.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without. They
descend from ImageNet, which the backbone has seen. Writes reviewer.json and reviewer.svg.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.heads import Trainer, answered, split_of, test_photos
from benchmarks.report import ROOT, machine, results_folder, write
from rigs.photos import require_dogs

sys.path[:0] = [str(ROOT / "functions" / name) for name in ("classify", "api")]

from api.listing import Partition, Start  # noqa: E402
from api.queue import read_queue  # noqa: E402
from classify.events import Upload  # noqa: E402
from classify.images import Photo as Decoded  # noqa: E402
from classify.rows import answered_row  # noqa: E402
from classify.wire import Answer, Prediction  # noqa: E402

from rigs.rows import NOW  # noqa: E402
from serving.model import Model  # noqa: E402
from serving.weights import Floats  # noqa: E402
from training.contest.answers import Answered  # noqa: E402
from training.contest.verdict import judge  # noqa: E402
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
from training.features.file import Features, SplitFeatures  # noqa: E402

SEEDS = (0, 1, 2)
UNKNOWN, FIRST_PHOTOS, POOL = 20, 8, 2000
ROUNDS, A_ROUND = 3, 100
SHOWN = 20  # photos that the page asks the queue for at once
# Of 2,000 photos about 19 show each unknown breed, and of 300 reviewed ones a few: fewer than the
# ten that are asked for by default.
RULES = Rules(new_class_at=4)
INDEXES = {
    "by-confidence": ("confidence_key", "confidence"),
    "sample": ("sample_key", "sample_order"),
}

COLOURS = {"queue": "#1b7837", "random": "#8a6d00"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """A photo of the data set: features (n,) and label."""

    row: Floats
    label: str


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
    require_dogs()
    with Trainer.opened(cache) as trainer, Progress() as bars:
        task = bars.add_task("trainings", total=len(SEEDS) * (1 + 2 * ROUNDS))
        runs = [Run(trainer, seed, lambda: bars.advance(task)).result() for seed in SEEDS]
    Console().print(table(runs))
    (results_folder() / "reviewer.svg").write_text(plot(runs), encoding="utf-8")
    write(
        "reviewer",
        {
            "command": "python -m benchmarks.reviewer",
            "machine": machine(),
            "seeds": SEEDS,
            "n": {
                "pool": POOL,
                "unknown_breeds": UNKNOWN,
                "test": len(trainer.features.splits["test"].labels),
            },
            "first_photos_a_breed": FIRST_PHOTOS,
            "new_class_at": RULES.new_class_at,
            "runs": runs,
        },
    )
    return 0


class Run:
    """One seed: a first model, and two reviewers of what it answered."""

    def __init__(
        self, trainer: Trainer, seed: int, advance: Callable[[], None], now: datetime = NOW
    ) -> None:
        self._trainer, self._advance, self._now = trainer, advance, now
        features = replace(
            trainer.features, labels=tuple(tidy(label) for label in trainer.features.labels)
        )
        self._features = features
        self._photos = by_digest(features)
        self._tests = test_photos(features)
        self._chance = random.Random(seed)
        self._unknown = set(self._chance.sample(features.labels, UNKNOWN))
        self._base_photos, rest = self._first_photos()
        self._pool = self._chance.sample(rest, POOL)

    def result(self) -> dict[str, Any]:
        """Test accuracy and breeds known before, and after each round of both."""
        first = self._trained([])
        rows = self._answered(first)
        shuffled = [row["image_key"] for row in rows]
        self._chance.shuffle(shuffled)
        start = {"reviewed": 0, **self._tested(first, None)}
        rival = answered(first, self._tests, self._features.splits["test"].views[0].numpy())
        unknown = sum(row["status"] == "UNKNOWN_BREED" for row in rows)
        really = sum(self._photos[row["etag"]].label in self._unknown for row in rows)
        found = sum(
            row["status"] == "UNKNOWN_BREED" and self._photos[row["etag"]].label in self._unknown
            for row in rows
        )
        return {
            "answered": {"unknown": unknown, "really": really, "found": found},
            "queue": [start, *self._reviewed(rows, None, rival)],
            "random": [start, *self._reviewed(rows, shuffled, rival)],
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
            rows.append(answered_row(upload, Decoded(b"", 1, 1), told, answer, self._now))
        return rows

    def _reviewed(
        self, rows: list[Row], order: list[str] | None, first: Answered
    ) -> list[dict[str, Any]]:
        """After each round: what is known then. `order` None: the queue's."""
        table = Shelf(rows)
        history: list[Row] = []
        previous: dict[str, Any] | None = None
        told: list[dict[str, Any]] = []
        for _ in range(ROUNDS):
            while len(history) % A_ROUND or len(history) == A_ROUND * len(told):
                shown = (
                    [table.rows[key] for key in order[len(history) :][:SHOWN]]
                    if order
                    else read_queue(
                        SHOWN, f"{self._now:%Y-%m}", self._now + timedelta(hours=1), table.query
                    )
                )
                for row in shown:
                    history.append(self._word(row, len(history)))
                    table.rows[row["image_key"]] = done(row)
            plan = make_version(
                self._base_photos, self._with_photos(history, rows), previous, RULES
            )
            previous = plan.manifest
            model = self._trained(plan.manifest["photos"])
            told.append({"reviewed": len(history), **self._tested(model, first)})
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
        """A model of a version's photos, as its manifest has them; none: of the base alone."""
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
            split: split_of(
                [self._photos[digest].row for digest, _ in parts[split]],
                [index[label] for _, label in parts[split]],
                [digest for digest, _ in parts[split]],
            )
            for split in SPLITS
        }
        model = self._trainer.trained(replace(self._features, labels=labels, splits=splits))
        self._advance()
        return model

    def _tested(self, model: Model, first: Answered | None) -> dict[str, Any]:
        """Of the test photos of all breeds: how many get the right one, whatever is unknown.

        And whether the model may take the place of the first.
        """
        rows = self._features.splits["test"].views[0].numpy()
        said = [model.manifest.labels[at] for at in model.heads(rows)[0].argmax(1)]
        truth = [photo.label for photo in self._tests]
        right = [one == other for one, other in zip(said, truth, strict=True)]
        old = [hit for hit, label in zip(right, truth, strict=True) if label not in self._unknown]
        told: dict[str, Any] = {
            "test_top1": round(mean(right), 4),
            "top1_of_first_breeds": round(mean(old), 4),
            "breeds": len(model.manifest.labels),
        }
        if first:
            contest = judge(first, answered(model, self._tests, rows), self._tests, [])
            told |= {"verdict": contest.word, "reason": contest.reason}
        return told


def by_digest(features: Features) -> dict[str, Known]:
    """Every photo of the data set."""
    return {
        digest: Known(part.views[0, at].numpy(), features.labels[label])
        for part in features.splits.values()
        for at, (digest, label) in enumerate(zip(part.digests, part.labels.tolist(), strict=True))
    }


def done(row: Row) -> Row:
    """The row once it is reviewed: in none of the queue's partitions."""
    return {
        name: value for name, value in row.items() if name not in ("confidence_key", "sample_key")
    }


def averages(runs: list[dict[str, Any]], way: str, what: str) -> list[float]:
    """Over the seeds, before and after each round."""
    return [mean(run[way][at][what] for run in runs) for at in range(ROUNDS + 1)]


def table(runs: list[dict[str, Any]]) -> Table:
    """Means over the seeds."""
    view = Table(title="Test accuracy on all 120 breeds, and breeds known")
    for name in ("reviewed", "queue", "random", "breeds, queue", "breeds, random"):
        view.add_column(name, justify="right")
    columns = [
        [form.format(value) for value in averages(runs, way, what)]
        for what, form in (("test_top1", "{:.1%}"), ("breeds", "{:.1f}"))
        for way in ("queue", "random")
    ]
    for at, cells in enumerate(zip(*columns, strict=True)):
        view.add_row(str(at * A_ROUND), *cells)
    return view


def plot(runs: list[dict[str, Any]]) -> str:
    """An SVG of two panels: test accuracy and breeds known, against photos reviewed.

    A thin line a seed, a thick one for their mean.
    """
    width, height = 720, 330
    lines = [f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for left, what, title, low, high, form in (
        (60, "test_top1", "test photos right", 0.65, 0.85, "{:.0%}"),
        (410, "breeds", "breeds known", 100, 120, "{:.0f}"),
    ):
        lines += panel(runs, left, what, title, (low, high), form)
    for row, (way, colour) in enumerate(COLOURS.items()):
        words = "the queue's order" if way == "queue" else "at random"
        lines.append(f'<text x="80" y="{62 + 18 * row}" fill="{colour}">{words}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    return head + 'font-family="sans-serif" font-size="13">\n' + "\n".join(lines) + "\n</svg>\n"


def panel(
    runs: list[dict[str, Any]], left: int, what: str, title: str, span: tuple[float, float],
    form: str,
) -> list[str]:  # fmt: skip
    """One of them, with axes."""
    top, bottom, width = 40, 275, 280
    low, high = span

    def path(values: list[float]) -> str:
        return " ".join(
            f"{left + width * at / ROUNDS:.1f},"
            f"{bottom - (bottom - top) * (value - low) / (high - low):.1f}"
            for at, value in enumerate(values)
        )

    lines = [f'<text x="{left}" y="24" font-size="15" fill="#222">{title}</text>']
    for step in range(5):
        value = low + (high - low) * step / 4
        y = bottom - (bottom - top) * step / 4
        lines += [
            f'<path d="M{left} {y:.1f}h{width}" stroke="#ddd"/>',
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">'
            f"{form.format(value)}</text>",
        ]
    for at in range(ROUNDS + 1):
        x = left + width * at / ROUNDS
        lines.append(
            f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle" fill="#555">'
            f"{at * A_ROUND}</text>"
        )
    lines.append(
        f'<text x="{left + width / 2}" y="{bottom + 42}" text-anchor="middle" fill="#555">'
        "photos reviewed</text>"
    )
    for way, colour in COLOURS.items():
        stroke = f'fill="none" stroke="{colour}"'
        for run in runs:
            seed = [one[what] for one in run[way]]
            lines.append(f'<polyline points="{path(seed)}" {stroke} opacity="0.35"/>')
        middle = path(averages(runs, way, what))
        lines.append(f'<polyline points="{middle}" {stroke} stroke-width="3"/>')
    return lines


if __name__ == "__main__":
    sys.exit(main())
