"""What the nightly watch on drift has found: the table that functions/drift writes."""

from collections.abc import Sequence
from typing import Any

from api.tallies import accuracy

Row = dict[str, Any]

# The newest that are read: a quarter of a year.
MOST = 90


def shown(items: Sequence[Row], is_watched: bool) -> Row:
    """`is_watched`: whether there is such a table at all. `items` are days, newest first."""
    return {"watched": is_watched, "items": [_day(item) for item in items]}


def _day(item: Row) -> Row:
    total, _squares, count = map(float, item["counts"]["sure"])
    audit = item["audit"]
    day: Row = {
        "day": item["name"],
        "state": item["state"],
        "photos": item["photos"],
        "expected": round(total / count, 6) if count else None,
        "audited": accuracy(int(audit["n"]), int(audit["right"])),
        "psi": {figure: float(value) for figure, value in sorted(item["psi"].items())},
        "findings": item["findings"],
    }
    if model := item.get("model_version"):
        day["model_version"] = model
    return day
