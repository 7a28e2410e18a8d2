"""Predictions as the API tells them, made up."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]

BREEDS = [
    "Beagle", "Border_collie", "Boxer", "Chihuahua", "Dalmatian", "German_shepherd",
    "Golden_retriever", "Great_Dane", "Irish_setter", "Labrador_retriever", "Pug", "Samoyed",
    "Siberian_husky", "Whippet",
]  # fmt: skip
MODEL = "2026-11-20-lite0"
PERSON = "ada@example.com"


def identifier(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def instant(seconds_ago: float = 0) -> str:
    then = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return then.isoformat(timespec="microseconds").replace("+00:00", "Z")


def classified(number: int, **changes: Any) -> Row:
    """The dog with this number: the higher, the longer ago, and of another breed and confidence."""
    guesses = [BREEDS[(number + step) % len(BREEDS)] for step in range(5)]
    first = 0.99 - 0.0617 * number % 0.8
    rest = 1 - first
    shares = [first, rest * 0.6, rest * 0.2, rest * 0.1, rest * 0.05]
    row = _row(number, "CLASSIFIED") | {
        "breed": guesses[0],
        "confidence": first,
        "top": [
            {"label": label, "probability": share}
            for label, share in zip(guesses, shares, strict=True)
        ],
        "dog_probability": 0.98,
        "model_version": MODEL,
        "width": 800 if number % 3 else 600,
        "height": 600 if number % 3 else 800,
    }
    return row | changes


def no_dog(number: int, **changes: Any) -> Row:
    row = classified(number) | {"status": "NO_DOG", "dog_probability": 0.06, "confidence": 0.12}
    del row["breed"]
    return row | changes


def unknown_breed(number: int, **changes: Any) -> Row:
    row = classified(number) | {"status": "UNKNOWN_BREED", "novelty": 0.984}
    del row["breed"]
    return row | changes


def rejected(number: int, **changes: Any) -> Row:
    row = _row(number, "REJECTED")
    del row["links"]["thumbnail"]
    reason = {"code": "NOT_AN_IMAGE", "message": "the file starts like a text"}
    return row | {"reason": reason} | changes


def _row(number: int, status: str) -> Row:
    key = f"uploads/2026-11-25/{number:08d}-dog-{number}.jpg"
    path = f"predictions/{identifier(key)}"
    return {
        "key": key,
        "id": identifier(key),
        "version": f"{number:016X}",
        "status": status,
        "classified_at": instant(60 + 3601 * number),
        "size_bytes": 1_204_113 + number,
        "latency_ms": 640 + number,
        "links": {"self": path, "photo": f"{path}/photo", "thumbnail": f"{path}/thumbnail"},
    }


def drift_day(day: str, **changes: Any) -> Row:
    """A quiet one."""
    return {
        "day": day,
        "state": "quiet",
        "photos": 1200,
        "expected": 0.86,
        "audited": None,
        "psi": {"brightness": 0.01, "confidence": 0.02},
        "findings": [],
        "model_version": MODEL,
    } | changes
