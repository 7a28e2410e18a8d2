"""What a job's photos were rejected for, from the index of such rows."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lister.job import Job
from lister.rows import MONTH_SHARDS, months
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backfill.lane import Clients, Lane

_EXAMPLES = 3


def report(clients: Clients, lane: Lane, job: Job, folder: Path, console: Console) -> int:
    """Prints reasons with how many, and writes every photo to rejected.csv. How many there are."""
    path = folder / "rejected.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    reasons: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("image_key", "code", "message", "size_bytes"))
        for key, code, message, size in _rejected(clients("dynamodb"), lane.table, job):
            lines.writerow((key, code, message, size))
            reasons[code] += 1
            if len(examples[code]) < _EXAMPLES:
                examples[code].append(f"{key}: {message}")
    if not reasons:
        path.unlink()
        return 0
    table = Table("rejected", "why", "such as")
    for code, count in reasons.most_common():
        table.add_row(f"{count:,}", code, escape("\n".join(examples[code])))
    console.print(table)
    console.print(f"Each of them: {path}", highlight=False, markup=False)
    return reasons.total()


def _rejected(dynamodb: Any, table: str, job: Job) -> Iterator[tuple[str, str, str, str]]:
    """Key, code, message, size. Rows of the months in which the job ran are read, a page at a
    time."""
    for month in months(job.started, datetime.now(UTC).isoformat()):
        for shard in range(MONTH_SHARDS):
            pages = dynamodb.get_paginator("query").paginate(
                TableName=table,
                IndexName="by-status",
                KeyConditionExpression="status_month = :part AND classified_at >= :started",
                FilterExpression="backfill = :job",
                ExpressionAttributeValues={
                    ":part": {"S": f"REJECTED#{month}#{shard}"},
                    ":started": {"S": job.started},
                    ":job": {"S": job.job},
                },
            )
            for page in pages:
                for item in page["Items"]:
                    reason = item["reason"]["M"]
                    yield (
                        item["image_key"]["S"],
                        reason["code"]["S"],
                        reason["message"]["S"],
                        item.get("size_bytes", {}).get("N", ""),
                    )
