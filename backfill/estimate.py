"""Hours and dollars of a job, step by step, each assumption in words.

Prices are list prices of us-east-1 in 2026, from AWS's price pages by memory; nothing of it was
billed to us. calculator.aws has yours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lister.core import READS_A_TURN, read_size
from lister.rows import MONTH_SHARDS, months

MILLION = 1e6
LIST_USD = 0.005 / 1000  # "Amazon S3 pricing": PUT, COPY, POST, LIST
GET_USD = 0.0004 / 1000  # the same page: GET
STORED_USD = 0.023  # the same page: S3 Standard, a GB and month
SQS_USD = 0.40 / MILLION  # "Amazon SQS pricing": standard queues, after the free million
TRANSITION_USD = 0.025 / 1000  # "AWS Step Functions pricing": Standard
LAMBDA_USD = 0.20 / MILLION  # "AWS Lambda pricing": requests
GB_SECOND_USD = 0.0000166667  # the same page: x86
WRITE_USD = 0.625 / MILLION  # "Amazon DynamoDB pricing": on demand, a KB written
READ_USD = 0.125 / MILLION  # the same page: 4 KB read; half of it eventually consistent
# "Amazon SageMaker AI pricing", real-time inference; of other types the price is not given.
INSTANCE_USD = {
    "ml.c5.large": 0.102,
    "ml.c5.xlarge": 0.204,
    "ml.c6i.xlarge": 0.204,
    "ml.c7i.large": 0.1071,
    "ml.c7i.xlarge": 0.2142,
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
}
CLASSIFY_GB, LISTER_GB = 1769 / 1024, 512 / 1024  # the templates' MemorySize
THUMBNAIL_GB = 15e3 / 1e9  # 384 pixels, as JPEG
BATCH = 10
PAGE = 1000
WAIT_S = 6  # the lister's, between two looks at a full queue
PAGE_S, LOOK_S = 3.0, 0.2  # of the lister: a page listed, looked up and sent; a look at the queue
SECONDS_A_BATCH = 1.0  # of the function, where no rate is known; the template's assumption, too
# Table, by-month, by-breed, by-confidence, and the sample for one in twenty: a KB each. An answer
# anew moves the row within by-confidence, which is a deletion and a write.
NEW_ROW_WRITES, AGAIN_WRITES = 4.05, 5.05
TRANSITIONS_A_TURN = 3  # Page, More, Pause


@dataclass(frozen=True)
class Step:
    """One line of the bill."""

    name: str
    amount: str
    usd: float


@dataclass(frozen=True)
class Load:
    """What a job puts on the stack. `rate`: photos answered a second, None: unknown. `pace`: at
    most so many are sent a second, 0: as many as are answered.
    """

    seen: int
    photos: int
    again: bool  # rows of the table, and not objects of a bucket
    rate: float | None
    concurrency: int
    instance_type: str = ""
    pace: float = 0

    @property
    def page(self) -> int:
        """Objects or rows that the lister reads at a time."""
        return read_size(self.pace, PAGE, WAIT_S)

    @property
    def seconds(self) -> float | None:
        return self.photos / self.rate if self.rate else None

    @property
    def turns(self) -> float:
        """Of the lister: a page of messages or ten pages without, and looks at a full queue."""
        pages = max(1.0, self.photos / self.page, self.seen / self.page / READS_A_TURN)
        looks = self.photos / self.page if self.seconds is None else self.seconds / WAIT_S
        return pages + looks


def steps(load: Load) -> Iterator[Step]:
    """The bill."""
    photos, turns = load.photos, load.turns
    if load.again:
        # A row is 1 KB: four of them are one unit, half of it eventually consistent.
        reads = load.seen / 8
        yield Step("DynamoDB, rows listed", f"{reads:,.0f} reads", reads * READ_USD)
    else:
        pages = max(1, load.seen / load.page)
        yield Step("S3, listing", f"{pages:,.0f} LIST", pages * LIST_USD)
        reads = load.seen / 2
        yield Step("DynamoDB, what is answered", f"{reads:,.0f} reads", reads * READ_USD)
    transitions = turns * TRANSITIONS_A_TURN
    yield Step("Step Functions", f"{transitions:,.0f} transitions", transitions * TRANSITION_USD)
    lister_s = load.seen / PAGE * PAGE_S + turns * LOOK_S
    yield Step(
        "Lambda, lister",
        f"{turns:,.0f} calls, {lister_s * LISTER_GB:,.0f} GB s",
        turns * LAMBDA_USD + lister_s * LISTER_GB * GB_SECOND_USD,
    )
    requests = 3 * photos / BATCH  # sent, received and deleted by tens
    yield Step("SQS", f"{requests:,.0f} requests", requests * SQS_USD)
    calls = photos / BATCH
    busy_s = load.seconds * load.concurrency if load.seconds else calls * SECONDS_A_BATCH
    yield Step(
        "Lambda, classify",
        f"{calls:,.0f} calls, {busy_s * CLASSIFY_GB:,.0f} GB s",
        calls * LAMBDA_USD + busy_s * CLASSIFY_GB * GB_SECOND_USD,
    )
    yield Step("S3, photos read", f"{photos:,} GET", photos * GET_USD)
    if not load.again:
        yield Step("S3, thumbnails", f"{photos:,} PUT", photos * LIST_USD)
    yield Step("DynamoDB, function's look", f"{photos:,} reads", photos * READ_USD)
    writes = photos * (AGAIN_WRITES if load.again else NEW_ROW_WRITES)
    yield Step("DynamoDB, rows and indexes", f"{writes:,.0f} writes", writes * WRITE_USD)
    if load.seconds and (price := INSTANCE_USD.get(load.instance_type)):
        hours = load.seconds / 3600
        yield Step(
            f"SageMaker, one {load.instance_type} (it runs in any case)",
            f"{hours:,.1f} hours",
            hours * price,
        )


def assumptions(load: Load, rate_from: str) -> Iterator[str]:
    """What the figures rest on, in sentences."""
    yield "Prices are list prices of us-east-1, from memory; calculator.aws has yours."
    if load.rate:
        yield f"{load.rate:.1f} photos a second: {rate_from}."
    else:
        yield f"{rate_from}: RATE=photos-a-second says it, else hours are unknown."
        yield f"The function takes {SECONDS_A_BATCH:g} s for ten photos."
    yield (
        f"Ten photos a message batch; a row and its thumbnail are 1 KB and {THUMBNAIL_GB * 1e6:.0f}"
        f" KB; a row is written {AGAIN_WRITES if load.again else NEW_ROW_WRITES} times, with its "
        f"indexes; the lister reads {load.page:,} at a time, takes {PAGE_S:g} s for {PAGE:,}, "
        f"and looks every {WAIT_S} s."
    )
    if load.instance_type and load.instance_type not in INSTANCE_USD:
        yield f"The endpoint's {load.instance_type} comes on top; its price is not known here."
    elif not load.instance_type:
        yield "The endpoint comes on top: it is not one of instances that this stack has made."
    if not load.again:
        stored = load.photos * THUMBNAIL_GB * STORED_USD
        yield f"Thumbnails then cost {stored:.2f} USD a month; reading from another region, more."


def busiest_rate(dynamodb: Any, table: str, now: datetime) -> float | None:
    """Photos a second of the stack's busiest hundred among the newest rows of this month and last.

    None where there are not a hundred. A stack that was never busy can do more than this.
    """
    times: list[datetime] = []
    last_month = now.replace(day=1) - timedelta(days=1)
    for month in months(f"{last_month:%Y-%m}", f"{now:%Y-%m}"):
        for shard in range(MONTH_SHARDS):
            answer = dynamodb.query(
                TableName=table,
                IndexName="by-month",
                KeyConditionExpression="month_shard = :part",
                ExpressionAttributeValues={":part": {"S": f"{month}#{shard}"}},
                ProjectionExpression="classified_at",
                ScanIndexForward=False,
                Limit=1000,
            )
            times += [datetime.fromisoformat(i["classified_at"]["S"]) for i in answer["Items"]]
    return _busiest(sorted(times))


def _busiest(times: Sequence[datetime], count: int = 100) -> float | None:
    spans = [
        (last - first).total_seconds() for first, last in zip(times, times[count:], strict=False)
    ]
    return count / max(min(spans), 0.1) if spans else None
