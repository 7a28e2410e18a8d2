"""Item reads of a page of 50, in a table of 100,000 rows: `python -m benchmarks.page_reads`.

The function itself answers, page after page, for every filter and order; DynamoDB is a stand-in in
memory that counts the items that its queries read. Printed are the first, the tenth and the
thousandth page (or the last one before it), and the most of any page. The function's own time is
that of the whole request without the stand-in's. Writes page_reads.json.
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.report import ROOT, machine, write
from rigs.functions import API

sys.path[:0] = [str(ROOT / "functions" / name) for name in ("classify", "api")]

from rigs.rows import NOW, make_rejected, make_row  # noqa: E402 - written by the function

ROWS = 100_000
LIMIT = 50
DAYS = 55
LISTED = (1, 10, 1000)
BREEDS = 120
LISTS: dict[str, dict[str, str]] = {
    "everything": {},
    "CLASSIFIED": {"status": "CLASSIFIED"},
    "NO_DOG": {"status": "NO_DOG"},
    "REJECTED": {"status": "REJECTED"},
    "one breed": {"breed": "breed 7"},
    "reviewed": {"reviewed": "true"},
    "not reviewed": {"reviewed": "false"},
    "confidence 0.5 to 0.8": {"confidence_from": "0.5", "confidence_to": "0.8"},
    "ten days": {"day_from": "2026-11-01", "day_to": "2026-11-10"},
    "one model version": {"model_version": "old"},
    "one breed, not reviewed, confidence from 0.9": {
        "breed": "breed 7",
        "reviewed": "false",
        "confidence_from": "0.9",
    },
}
HASHES = {
    "by-breed": ("breed", "classified_at"),
    "by-month": ("month_shard", "classified_at"),
    "by-status": ("status_month", "classified_at"),
    "by-confidence": ("confidence_key", "confidence"),
    "reviewed": ("reviewed_in", "reviewed_at"),
}


@dataclass
class Shelves:
    """DynamoDB's queries over indexes in memory."""

    indexes: dict[tuple[str, str], list[tuple[Any, str, dict[str, Any]]]] = field(
        default_factory=dict
    )
    reads: int = 0
    queries: int = 0
    spent_s: float = 0

    def put(self, row: dict[str, Any], item: dict[str, Any]) -> None:
        for index, (name, sort) in HASHES.items():
            if name in row and sort in row:
                shelf = self.indexes.setdefault((index, row[name]), [])
                shelf.append((row[sort], row["image_key"], item))

    def sort(self) -> None:
        for shelf in self.indexes.values():
            shelf.sort(key=lambda entry: entry[:2])

    def query(self, **asked: Any) -> dict[str, Any]:
        started = time.perf_counter()
        answer = self._query(**asked)
        self.queries += 1
        self.reads += len(answer["Items"])
        self.spent_s += time.perf_counter() - started
        return answer

    def _query(self, **asked: Any) -> dict[str, Any]:
        values = {name: take(value) for name, value in asked["ExpressionAttributeValues"].items()}
        shelf = self.indexes.get((asked["IndexName"], values[":hash"]), [])
        low, high = 0, len(shelf)
        if ":low" in values:
            low = bisect.bisect_left(shelf, values[":low"], key=lambda entry: entry[0])
        if ":high" in values:
            high = bisect.bisect_right(shelf, values[":high"], key=lambda entry: entry[0])
        if start := asked.get("ExclusiveStartKey"):
            at = (take(start[HASHES[asked["IndexName"]][1]]), start["image_key"]["S"])
            if asked["ScanIndexForward"]:
                low = bisect.bisect_right(shelf, at, key=lambda entry: entry[:2])
            else:
                high = bisect.bisect_left(shelf, at, key=lambda entry: entry[:2])
        limit = asked["Limit"]
        if asked["ScanIndexForward"]:
            found = shelf[low : min(high, low + limit)]
        else:
            found = shelf[max(low, high - limit) : high][::-1]
        answer: dict[str, Any] = {"Items": [item for _, _, item in found]}
        if len(found) == limit:
            answer["LastEvaluatedKey"] = {}
        return answer


def take(value: dict[str, str]) -> Any:
    ((kind, text),) = value.items()
    return Decimal(text) if kind == "N" else text


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Two months of answers, one in twelve reviewed, more confident than not."""
    chance = random.Random(1)
    for number in range(count):
        key = f"uploads/2026/{number:06}.jpg"
        at = NOW - timedelta(seconds=chance.random() * DAYS * 86400)
        kind = chance.random()
        if kind < 0.03:
            yield make_rejected(key, at)
            continue
        breed = None if kind < 0.13 else f"breed {chance.randrange(BREEDS)}"
        confidence = round(chance.betavariate(5, 1), 6)
        model = "old" if at < NOW - timedelta(days=40) else "new"
        row = make_row(key, breed, confidence, at, sample=None, model_version=model)
        if chance.random() < 1 / 12:
            said = f"{at + timedelta(hours=chance.random() * 20):%Y-%m-%dT%H:%M:%S.%fZ}"
            row |= {"reviewed_in": said[:7], "reviewed_at": said, "review": review(said)}
            row["confidence_key"] = row["confidence_key"].replace("open", "done")
            row.pop("sample_key", None)
        yield row


def review(at: str) -> dict[str, str]:
    return {"id": f"{at}#1", "verdict": "RIGHT", "by": "ann", "by_id": "1", "at": at, "version": ""}


def ask(handler: Any, query: dict[str, str]) -> dict[str, Any]:
    claims = {"sub": "1", "client_id": "page", "username": "ann", "token_use": "access"}
    event = {
        "routeKey": "GET /predictions",
        "rawPath": "/predictions",
        "rawQueryString": urlencode(query),
        "queryStringParameters": query,
        "headers": {},
        "requestContext": {
            "http": {"method": "GET", "path": "/predictions"},
            "stage": "$default",
            "authorizer": {"jwt": {"claims": claims}},
        },
    }
    result = handler.handle(event, Context())
    assert result["statusCode"] == 200, result["body"]
    body: dict[str, Any] = json.loads(result["body"])
    return body


class Context:
    function_name = "api"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:api"
    aws_request_id = "00000000-0000-4000-8000-000000000000"


def walk(handler: Any, shelves: Shelves, query: dict[str, str]) -> list[dict[str, float]]:
    """Every page up to the thousandth: items read, queries, rows shown, milliseconds."""
    pages: list[dict[str, float]] = []
    cursor: dict[str, str] = {}
    while len(pages) < max(LISTED):
        shelves.reads = shelves.queries = 0
        shelves.spent_s = 0
        started = time.perf_counter()
        body = ask(handler, {**query, "limit": str(LIMIT), **cursor})
        own_ms = (time.perf_counter() - started - shelves.spent_s) * 1000
        pages.append(
            {
                "reads": shelves.reads,
                "queries": shelves.queries,
                "rows": len(body["items"]),
                "own_ms": round(own_ms, 2),
            }
        )
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}
    return pages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    count = parser.parse_args().rows
    os.environ |= API | {"FIRST_MONTH": "2026-10", "POWERTOOLS_LOG_LEVEL": "ERROR"}
    from api import clients, handler
    from api.signing import Signer
    from api.wire import item_of
    from botocore.credentials import Credentials

    shelves = Shelves()
    for row in track(rows(count), "Rows", total=count):
        shelves.put(row, item_of(row))
    shelves.sort()
    signer = Signer(
        handler.SETTINGS.bucket_urls, "us-east-1", Credentials("key", "secret", "token")
    )
    secrets = Secrets()
    services = clients.wire(
        handler.SETTINGS, shelves, signer, lambda: None, lambda: secrets, lambda: NOW
    )
    handler.SERVICES = services
    found: dict[str, dict[str, Any]] = {}
    for name, query in track(LISTS.items(), "Lists"):
        for order in ("newest", "least_sure"):
            if name == "REJECTED" and order == "least_sure":
                continue  # without a confidence
            found[f"{name}, {order}"] = summed(walk(handler, shelves, query | {"order": order}))
    show(found, count)
    write("page_reads", {"rows": count, "limit": LIMIT, "lists": found, "machine": machine()})


class Secrets:
    def get_secret_value(self, **_: str) -> dict[str, str]:
        return {"SecretString": "sesame"}


def summed(pages: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "pages": len(pages),
        "at": {str(number): pages[min(number, len(pages)) - 1] for number in LISTED},
        "most_reads": max(page["reads"] for page in pages),
        "mean_rows": round(statistics.mean(page["rows"] for page in pages), 1),
        "median_own_ms": round(statistics.median(page["own_ms"] for page in pages), 1),
    }


def show(found: dict[str, dict[str, Any]], count: int) -> None:
    table = Table(
        "List", "Reads at 1", "10", "1000 or last", "Most", "Rows a page", "Queries", "Own ms",
        title=f"{count} rows, pages of {LIMIT}",
    )  # fmt: skip
    for name, one in found.items():
        at = one["at"]
        table.add_row(
            name,
            *(str(at[str(number)]["reads"]) for number in LISTED[:2]),
            f"{at['1000']['reads']} (page {min(one['pages'], 1000)})",
            *(str(one["most_reads"]), str(one["mean_rows"])),
            *(str(at["1"]["queries"]), str(one["median_own_ms"])),
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
