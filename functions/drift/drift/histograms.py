"""What is counted of a day: a few histograms of fixed bins, however many photos there are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]

BINS = 64
# Keys that are kept of each bin, to have something to show of whichever bin grows.
EXAMPLES = 12
# Names beyond these are counted together: an item of DynamoDB ends at 400 KB.
MOST_NAMES = 500
OTHERS = "(others)"
REJECTED = "REJECTED"


def _look(name: str) -> Callable[[Row], Decimal | None]:
    return lambda row: row.get("look", {}).get(name)


def _margin(row: Row) -> Decimal | None:
    top = row.get("top", ())
    return top[0]["probability"] - top[1]["probability"] if len(top) > 1 else None


def _octaves(value: Decimal | None, least: float, octaves: int) -> float | None:
    """On a logarithmic scale from 0 to 1: `least` doubled so many times is 1."""
    if not value:
        return None
    return math.log2(max(float(value), least) / least) / octaves


def _pixels(row: Row) -> float | None:
    return _octaves(row.get("width", 0) * row.get("height", 0), 2.0**10, 18)  # to 268 megapixels


# Each gives a number from 0 to 1 of a row, or None where the row has none.
FIGURES: Mapping[str, Callable[[Row], float | Decimal | None]] = {
    "confidence": lambda row: row.get("confidence"),
    "margin": _margin,
    "dog_probability": lambda row: row.get("dog_probability"),
    "novelty": lambda row: row.get("novelty"),
    "brightness": _look("brightness"),
    "saturation": _look("saturation"),
    # Photos have a few hundredths: on the scale as it is, all were in one bin.
    "sharpness": lambda row: _octaves(_look("sharpness")(row), 2.0**-12, 11),
    "pixels": _pixels,
    "bytes": lambda row: _octaves(row.get("size_bytes"), 2.0**8, 17),  # to 32 MB
}
# And by name: what a photo was answered with, and which breed.
NAMES = ("status", "breed")


def status_of(row: Row) -> str:
    """A rejection with its reason: they rise for different causes."""
    reason = row.get("reason", {}).get("code", "")
    return f"{REJECTED} {reason}" if reason else str(row["status"])


@dataclass
class Counts:
    """Of the photos that one model answered, and of those that none could.

    `bins`: figure -> bin -> photos. `names`: "status" or "breed" -> name -> photos. `sure`: sum and
    sum of squares of the confidence of classified photos, and how many they are. `examples`: figure
    -> bin or name -> keys of some of its photos.
    """

    photos: int = 0
    bins: dict[str, Counter[int]] = field(default_factory=dict)
    names: dict[str, Counter[str]] = field(default_factory=dict)
    sure: tuple[float, float, int] = (0.0, 0.0, 0)
    examples: dict[str, dict[int | str, list[str]]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        self.photos += 1
        key = row["image_key"]
        for name, value_of in FIGURES.items():
            value = value_of(row)
            if value is not None:
                at = min(BINS - 1, max(0, int(float(value) * BINS)))
                self.bins.setdefault(name, Counter())[at] += 1
                self._keep(name, at, key)
        told = {"status": status_of(row)} | ({"breed": row["breed"]} if "breed" in row else {})
        for name, said in told.items():
            counter = self.names.setdefault(name, Counter())
            where = said if said in counter or len(counter) < MOST_NAMES else OTHERS
            counter[where] += 1
            self._keep(name, where, key)
        if row["status"] == "CLASSIFIED":
            sure, (total, squares, count) = float(row["confidence"]), self.sure
            self.sure = (total + sure, squares + sure * sure, count + 1)

    @property
    def answered(self) -> int:
        """Photos that were not rejected."""
        kinds = self.names.get("status", Counter())
        return sum(count for kind, count in kinds.items() if not kind.startswith(REJECTED))

    def _keep(self, figure: str, where: int | str, key: str) -> None:
        kept = self.examples.setdefault(figure, {}).setdefault(where, [])
        if len(kept) < EXAMPLES:
            kept.append(key)

    def __add__(self, other: Counts) -> Counts:
        both = Counts(self.photos + other.photos)
        for one in (other, self):
            for figure, kept in one.examples.items():
                both.examples.setdefault(figure, {}).update(kept)
            for figure, bins in one.bins.items():
                both.bins.setdefault(figure, Counter()).update(bins)
            for name, counter in one.names.items():
                both.names.setdefault(name, Counter()).update(counter)
        both.sure = (
            self.sure[0] + other.sure[0],
            self.sure[1] + other.sure[1],
            self.sure[2] + other.sure[2],
        )
        return both

    def to_item(self) -> dict[str, Any]:
        """For DynamoDB: text keys, and numbers that it takes."""
        return {
            "photos": self.photos,
            "bins": {
                figure: {str(at): count for at, count in sorted(bins.items())}
                for figure, bins in self.bins.items()
            },
            "names": {name: dict(counter) for name, counter in self.names.items()},
            "sure": [Decimal(f"{value:.6f}") for value in self.sure],
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Counts:
        total, squares, count = item["sure"]
        return cls(
            photos=int(item["photos"]),
            bins={
                figure: Counter({int(at): int(count) for at, count in bins.items()})
                for figure, bins in item["bins"].items()
            },
            names={
                name: Counter({value: int(count) for value, count in counter.items()})
                for name, counter in item["names"].items()
            },
            sure=(float(total), float(squares), int(count)),
        )


def counted(rows: Iterable[Row]) -> dict[str, Counts]:
    """By the model that answered. Rows come shard by shard, in the order of their time: a rejected
    photo, which none answered, is with the model that answered last before it.

    Where all are rejected, they are by themselves, under "".

    Photos of a back-fill are of no day: they are left out.
    """
    by_model: dict[str, Counts] = {}
    early = Counts()  # rejected before the first answer of a shard
    model = time = ""
    for row in rows:
        if "backfill" in row:
            continue
        if row.get("classified_at", "") < time:
            model = ""  # another shard begins
        time = row.get("classified_at", "")
        model = row.get("model_version", model)
        if not model:
            early.add(row)
            continue
        counts = by_model.setdefault(model, Counts())
        if early.photos:
            counts, early = counts + early, Counts()
            by_model[model] = counts
        counts.add(row)
    if early.photos:
        most = max(by_model, key=lambda name: by_model[name].photos, default="")
        by_model[most] = by_model.get(most, Counts()) + early
    return by_model
