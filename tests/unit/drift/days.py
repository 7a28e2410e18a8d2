"""Rows of made-up days, and the drift function's tables as dicts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from drift.core import Ports

Row = dict[str, Any]
BREEDS = tuple(f"Breed {n:02}" for n in range(40))
FIRST = date(2026, 11, 1)


def row(chance: random.Random, number: int, **changes: Any) -> Row:
    """A photo as a stack has them: most are dogs, the model is mostly sure."""
    sure = Decimal(f"{min(0.999, chance.betavariate(8, 2)):.6f}")
    content: Row = {
        "image_key": f"uploads/{number}.jpg",
        "status": "CLASSIFIED",
        "breed": chance.choice(BREEDS),
        "confidence": sure,
        "top": [{"label": "a", "probability": sure}, {"label": "b", "probability": 1 - sure}],
        "dog_probability": Decimal("0.99"),
        "novelty": Decimal(f"{chance.random():.6f}"),
        "model_version": "one",
        "width": 640,
        "height": 480,
        "size_bytes": chance.randrange(40_000, 80_000),
        "look": {
            "brightness": Decimal(f"{chance.betavariate(20, 25):.6f}"),
            "saturation": Decimal(f"{chance.betavariate(4, 9):.6f}"),
            "sharpness": Decimal(f"{0.005 + 0.04 * chance.random():.6f}"),
        },
    }
    if chance.random() < 0.05:
        del content["breed"]
        content["status"] = "NO_DOG"
    return content | changes


def rejected(number: int, code: str = "NOT_AN_IMAGE") -> Row:
    return {
        "image_key": f"uploads/{number}.txt",
        "status": "REJECTED",
        "reason": {"code": code, "message": "no"},
    }


@dataclass
class Tables:
    """What the function reads and keeps."""

    rows: dict[date, list[Row]] = field(default_factory=dict)
    reviews: dict[date, list[Row]] = field(default_factory=dict)
    days: dict[date, Row] = field(default_factory=dict)
    baselines: dict[str, Row] = field(default_factory=dict)

    def ports(self) -> Ports:
        return Ports(
            rows=lambda day: self.rows.get(day, []),
            reviewed=lambda first, last: [
                row for day, rows in self.reviews.items() if first <= day <= last for row in rows
            ],
            day=self.days.get,
            put_day=self.days.__setitem__,
            baseline=self.baselines.get,
            put_baseline=self.baselines.__setitem__,
        )


def some(chance: random.Random, count: int, **changes: Any) -> list[Row]:
    return [row(chance, number, **changes) for number in range(count)]


def darker(rows: Iterable[Row]) -> list[Row]:
    """By a stop: half the light."""
    return [
        one | {"look": one["look"] | {"brightness": one["look"]["brightness"] / 2}} for one in rows
    ]
