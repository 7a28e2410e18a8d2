"""What a new model answers otherwise: the rows of a job, read once, nothing of them held but counts
and as many as a page shows.
"""

from __future__ import annotations

import csv
import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from lister.job import Job

Row = Mapping[str, Any]
# As a label, of rows that name no breed.
WORDS = {"NO_DOG": "no dog", "UNKNOWN_BREED": "unknown breed", "REJECTED": "rejected"}
UNKNOWN = WORDS["UNKNOWN_BREED"]


@dataclass(frozen=True)
class Change:
    """A row whose label is another now. `said` is what a person calls it, "" where nobody says;
    `right`: whether the answer is that.
    """

    image_key: str
    before: str
    after: str
    confidence_before: float
    confidence: float
    said: str = ""
    right: bool = False
    thumbnail: str = ""


@dataclass
class Changes:
    """Counts of a job's rows, and the `most` changed ones to look at: reviewed ones first, then
    those that the new model is surest of.
    """

    most: int
    answered: int = 0
    models: Counter[tuple[str, str]] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    confidence_before: float = 0.0
    confidence: float = 0.0
    # Of reviewed rows: whether the person's word holds for the answer before, and for this one.
    reviews: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    _shown: list[tuple[tuple[bool, float], int, Change]] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=itertools.count)

    @property
    def changed(self) -> int:
        return self.pairs.total()

    @property
    def shown(self) -> list[Change]:
        return [change for _, _, change in sorted(self._shown, reverse=True)]

    def add(self, row: Row) -> Change | None:
        """Counts one row; its change, if its label is another."""
        previous = row["previous"]
        before, after, said = label(previous), label(row), _said(row)
        rights = _is_right(previous, said, row), _is_right(row, said, row)
        was, now = float(previous.get("confidence", 0)), float(row.get("confidence", 0))
        self.answered += 1
        self.models[(previous.get("model_version", ""), row.get("model_version", ""))] += 1
        self.confidence_before += was
        self.confidence += now
        if said:
            self.reviews[rights] += 1
        if before == after:
            return None
        self.pairs[(before, after)] += 1
        picture = row.get("thumbnail", "")
        change = Change(row["image_key"], before, after, was, now, said, rights[1], picture)
        entry = ((bool(said), now), next(self._number), change)
        push = heapq.heappush if len(self._shown) < self.most else heapq.heappushpop
        push(self._shown, entry)
        return change


def label(answer: Row) -> str:
    """Of a row, or of the answer before it."""
    breed = answer.get("breed")
    return str(breed) if breed else WORDS.get(answer.get("status", ""), "no breed")


def _said(row: Row) -> str:
    """What a person says it is. RIGHT may speak of an earlier answer, which the review has then:
    that it was none of the breeds of then says nothing about a model that names one.
    """
    review = row.get("review", {})
    match review.get("verdict"):
        case "WRONG_BREED" | "NEW_BREED":
            return str(review.get("breed", ""))
        case "NO_DOG":
            return WORDS["NO_DOG"]
        case "RIGHT":
            judged = label(review.get("answer", row))
            return judged if judged != UNKNOWN or label(row) == UNKNOWN else ""
    return ""


def _is_right(answer: Row, said: str, row: Row) -> bool:
    """As the API counts it: of a breed that is new to the model "unknown breed" is right, too."""
    is_new = row.get("review", {}).get("verdict") == "NEW_BREED"
    return label(answer) in ((said, UNKNOWN) if is_new else (said,))


def rows(dynamodb: Any, table: str, job: Job) -> Iterator[Row]:
    """The rows that the job answered again. No index has them: the table is read, page by page."""
    take = TypeDeserializer().deserialize
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        FilterExpression="reclassified_by = :job",
        ExpressionAttributeValues={":job": {"S": job.job}},
    )
    for page in pages:
        for item in page["Items"]:
            yield {name: take(value) for name, value in item.items()}


def collect(found: Iterable[Row], path: Path, most: int) -> Changes:
    """Counts; every change is a line of the CSV at `path`."""
    changes = Changes(most)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(
            ("image_key", "before", "after", "confidence_before", "confidence", "review")
        )
        for row in found:
            if one := changes.add(row):
                lines.writerow(
                    (
                        one.image_key,
                        one.before,
                        one.after,
                        f"{one.confidence_before:.4f}",
                        f"{one.confidence:.4f}",
                        one.said,
                    )
                )
    return changes
