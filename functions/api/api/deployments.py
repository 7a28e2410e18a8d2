"""Which model served when, and how right it was: the first stack's table of deployments."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from api.tallies import accuracy

Row = dict[str, Any]

# The newest that are read: more than a stack has in years of a model a week.
MOST = 500
_SHOWN = (
    "at", "model_version", "from_version", "by", "why", "data_version", "training_job",
    "model_package_arn", "metrics",
)  # fmt: skip


def serving_on(items: Sequence[Row], day: str) -> list[Row]:
    """Of `items`, newest first: those that served at some time of the day (UTC)."""
    ends = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    found = []
    for item in items:
        if item["at"] < ends:
            found.append(item)
            if item["at"] <= day:
                break
    return found


def shown(item: Row, reviews: Mapping[str, int]) -> Row:
    """With what people's reviews of the random sample say of its model, at any time."""
    version = item["model_version"]
    found = {name: _plain(item[name]) for name in _SHOWN if name in item}
    sample, right = (reviews.get(f"{name}@{version}", 0) for name in ("sample", "right"))
    return found | {"accuracy": accuracy(sample, right)}


def labels(items: Sequence[Row]) -> frozenset[str]:
    """All breeds of the model that serves now; empty where no deployment is recorded."""
    return frozenset(items[0].get("labels") or ()) if items else frozenset()


def _plain(value: Any) -> Any:
    """Metrics may be numbers, text, or objects of these."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value
