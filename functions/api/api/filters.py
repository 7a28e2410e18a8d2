"""What a list is asked for, read from the query."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from api.problems import FieldError, bad_query

STATUSES = ("CLASSIFIED", "UNKNOWN_BREED", "NO_DOG", "REJECTED")
ORDERS = ("newest", "least_sure")
MAX_LIMIT = 100
MAX_BREED_CHARS = 64
MAX_VERSION_CHARS = 128
MAX_CURSOR_CHARS = 4096
_DECIMAL = re.compile(r"\d{1,3}(\.\d{1,17})?([eE]-?\d{1,2})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HALF = re.compile(r"[\ud800-\udfff]")

T = TypeVar("T")


@dataclass(frozen=True)
class Filters:
    status: str | None = None
    breed: str | None = None
    reviewed: bool | None = None
    confidence_from: Decimal | None = None
    confidence_to: Decimal | None = None
    day_from: str | None = None
    day_to: str | None = None
    model_version: str | None = None
    order: str = "newest"

    def text(self) -> str:
        """The same for the same filters: what a cursor is bound to."""
        given = {name: str(value) for name, value in asdict(self).items() if value is not None}
        return json.dumps(given, sort_keys=True)

    def match(self, row: Mapping[str, Any]) -> bool:
        confidence = row.get("confidence")
        return (
            (self.status is None or row["status"] == self.status)
            and (self.breed is None or row.get("breed") == self.breed)
            and (self.reviewed is None or ("review" in row) == self.reviewed)
            and self._holds(confidence)
            and (self.day_from is None or row["classified_at"][:10] >= self.day_from)
            and (self.day_to is None or row["classified_at"][:10] <= self.day_to)
            and (self.model_version is None or row.get("model_version") == self.model_version)
        )

    def _holds(self, confidence: Decimal | None) -> bool:
        if self.confidence_from is None and self.confidence_to is None:
            return True
        return confidence is not None and (
            (self.confidence_from is None or confidence >= self.confidence_from)
            and (self.confidence_to is None or confidence <= self.confidence_to)
        )


@dataclass(frozen=True)
class Asked:
    filters: Filters
    limit: int
    cursor: str | None


def read_query(query: Mapping[str, list[str]]) -> Asked:
    """Raises ProblemError that names every parameter at fault."""
    reader = _Reader(query)
    filters = Filters(
        status=reader.read("status", _one_of(STATUSES)),
        breed=reader.read("breed", _text(MAX_BREED_CHARS)),
        reviewed=reader.read("reviewed", _boolean),
        confidence_from=reader.read("confidence_from", _share),
        confidence_to=reader.read("confidence_to", _share),
        day_from=reader.read("day_from", _day),
        day_to=reader.read("day_to", _day),
        model_version=reader.read("model_version", _text(MAX_VERSION_CHARS)),
        order=reader.read("order", _one_of(ORDERS)) or "newest",
    )
    limit = reader.read("limit", _limit) or 50
    cursor = reader.read("cursor", _text(MAX_CURSOR_CHARS))
    reader.finish()
    return Asked(filters, limit, cursor)


def read_limit(query: Mapping[str, list[str]], default: int) -> int:
    """Where `limit` is all that can be asked."""
    reader = _Reader(query)
    limit = reader.read("limit", _limit) or default
    reader.finish()
    return limit


def read_day(query: Mapping[str, list[str]]) -> str | None:
    """Where `day` is all that can be asked."""
    reader = _Reader(query)
    day = reader.read("day", _day)
    reader.finish()
    return day


def has_control(text: str) -> bool:
    """Control characters or line breaks."""
    return bool(_CONTROL.search(text))


def has_half(text: str) -> bool:
    """Halves of surrogate pairs, which are no text."""
    return bool(_HALF.search(text))


class _Reader:
    def __init__(self, query: Mapping[str, list[str]]) -> None:
        self._query = dict(query)
        self._errors: list[FieldError] = []

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        values = self._query.pop(name, [])
        if not values:
            return None
        try:
            if len(values) > 1:
                raise ValueError("is given more than once")
            return parse(values[0])
        except ValueError as error:
            self._errors.append(FieldError(name, str(error)))
            return None

    def finish(self) -> None:
        # A misspelt filter that is ignored would show what nobody asked for.
        self._errors += [FieldError(name[:100], "is not a parameter") for name in self._query]
        if self._errors:
            raise bad_query(self._errors[:20])


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text in values:
            return text
        raise ValueError(f"must be one of {', '.join(values)}")

    return parse


def _text(most: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if 1 <= len(text) <= most:
            return text
        raise ValueError(f"must be 1 to {most} characters")

    return parse


def _boolean(text: str) -> bool:
    if text in ("true", "false"):
        return text == "true"
    raise ValueError("must be true or false")


def _share(text: str) -> Decimal:
    try:
        value = Decimal(text) if _DECIMAL.fullmatch(text) else None
    except InvalidOperation:
        value = None
    if value is not None and 0 <= value <= 1:
        return value
    raise ValueError("must be a number from 0 to 1")


def _day(text: str) -> str:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ValueError("must be a day such as 2026-11-20")


def _limit(text: str) -> int:
    if re.fullmatch(r"\d{1,4}", text, re.ASCII) and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
