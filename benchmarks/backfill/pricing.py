"""Dollars and hours on AWS, from the counts of a run here: computed, and never billed to us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backfill import estimate

# What a row is written into: the table, by-month, by-breed, by-confidence.
INDEXES = 4
SAMPLED = 1 / 20  # and the sample
SIZES = (1_000_000, 10_000_000, 100_000_000)
# BackfillConcurrency: the template's least, and what the default's uploads have.
CONCURRENCIES = (2, 8, 32)
INSTANCE = "ml.m5.2xlarge"
# Photos a second of one such instance: benchmarks/cost.md, EfficientNet-Lite0 in float32.
INSTANCE_RATE = 337
ASSUMPTIONS = (
    "list prices of us-east-1 from memory (backfill/estimate.py names the pages)",
    f"a function takes {estimate.SECONDS_A_BATCH:g} s for ten photos, and Lambda receives and "
    "deletes them in one request each",
    f"a row of up to 1 KB is written to the table and three indexes, and one in "
    f"{round(1 / SAMPLED)} to the sample",
    f"one {INSTANCE} answers {INSTANCE_RATE} photos a second (benchmarks/cost.md) and runs for all "
    "of the hours",
    "photos lie in the stack's region; thumbnails are stored on, at "
    f"{1e6 * estimate.THUMBNAIL_GB * estimate.STORED_USD:.2f} USD a million and month",
)


@dataclass(frozen=True)
class Bill:
    """Of one size: without the endpoint, and hours with the endpoint's dollars by concurrency."""

    photos: int
    usd: float
    hours: dict[int, float]
    endpoint_usd: dict[int, float]


def usd_a_photo(a_photo: Mapping[str, float]) -> dict[str, float]:
    """By service, from what a photo needs of each."""
    # A function invokes the endpoint once for its batch, and the batch was received and deleted.
    batches = a_photo["sagemaker.POST"]
    gb_seconds = batches * estimate.SECONDS_A_BATCH * estimate.CLASSIFY_GB
    lister = a_photo["s3.LIST"] * estimate.PAGE_S * estimate.LISTER_GB
    reads = a_photo["keys read, consistent"] + a_photo["keys read, eventual"] / 2
    writes = a_photo["rows written"] * (INDEXES + SAMPLED)
    return {
        "S3": (a_photo["s3.LIST"] + a_photo["s3.PUT"]) * estimate.LIST_USD
        + a_photo["s3.GET"] * estimate.GET_USD,
        "SQS": (a_photo["sqs.SendMessageBatch"] + 2 * batches) * estimate.SQS_USD,
        "Step Functions": a_photo["transitions"] * estimate.TRANSITION_USD,
        "Lambda": batches * estimate.LAMBDA_USD + (gb_seconds + lister) * estimate.GB_SECOND_USD,
        "DynamoDB": reads * estimate.READ_USD + writes * estimate.WRITE_USD,
    }


def bills(a_photo: Mapping[str, float]) -> Iterator[Bill]:
    """Of SIZES."""
    usd = sum(usd_a_photo(a_photo).values())
    for photos in SIZES:
        rates = {each: 10 * each / estimate.SECONDS_A_BATCH for each in CONCURRENCIES}
        hours = {each: photos / rate / 3600 for each, rate in rates.items()}
        price = estimate.INSTANCE_USD[INSTANCE]
        yield Bill(photos, photos * usd, hours, {each: h * price for each, h in hours.items()})
