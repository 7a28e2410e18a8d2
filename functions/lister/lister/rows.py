"""Pages of the rows that an older model answered.

With a breed by the index of breeds, with a first day by the months since then, else by a scan of
the table. The rest of a filter is applied to what was read: a row is 1 KB, and reading a million of
them costs 0.016 USD, less than a hundredth of answering them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lister.core import Page
from lister.errors import AgainError, RefusedError
from lister.job import Filter, Job
from lister.messages import Photo, photo_of

MONTH_SHARDS = 4  # as classify.rows writes them
_FIELDS = "image_key, sequencer, model_version, etag, version_id, size_bytes"


def read_page(dynamodb: Any, table: str, own_bucket: str, source: str, size: int, job: Job) -> Page:
    """The rows after the job's place. Of other buckets than the stack's own and `source`, which the
    stack may not read any more, none is sent. Raises RefusedError, AgainError.
    """
    if job.filter is None:
        raise RefusedError("this is no job: it does not say which rows")
    wanted, parts = job.filter, _partitions(job.filter)
    number = job.place["partition"] if job.place else 0
    start = job.place.get("start") if job.place else None
    asked = parts[number] | _condition(wanted, parts[number]) | {"TableName": table, "Limit": size}
    if start:
        asked["ExclusiveStartKey"] = start
    try:
        answer = (dynamodb.query if "IndexName" in asked else dynamodb.scan)(**asked)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        kind = (
            RefusedError if code in ("AccessDeniedException", "ValidationException") else AgainError
        )
        raise kind(f"the table could not be read: {error}") from error
    except BotoCoreError as error:
        raise AgainError(f"the table could not be read: {error}") from error
    place = None
    if last := answer.get("LastEvaluatedKey"):
        place = {"partition": number, "start": last}
    elif number + 1 < len(parts):
        place = {"partition": number + 1}
    photos, unreadable = [], Counter[str]()
    for item in answer["Items"]:
        photo = _photo(item, own_bucket)
        if photo.bucket in (own_bucket, source):
            photos.append(photo)
        else:
            unreadable[photo.bucket] += 1
    return Page(answer["ScannedCount"], photos, place, unreadable)


def _partitions(wanted: Filter) -> Sequence[dict[str, Any]]:
    """What is read one after the other; the same for every turn of a job."""
    if wanted.breed:
        return [_key("by-breed", "breed", wanted.breed, wanted)]
    if wanted.since:
        return [
            _key("by-month", "month_shard", f"{month}#{shard}", wanted)
            for month in months(wanted.since, wanted.before)
            for shard in range(MONTH_SHARDS)
        ]
    return [{}]


def _key(index: str, name: str, value: str, wanted: Filter) -> dict[str, Any]:
    return {
        "IndexName": index,
        "KeyConditionExpression": f"{name} = :part AND classified_at BETWEEN :since AND :before",
        "ExpressionAttributeValues": {
            ":part": {"S": value},
            ":since": {"S": wanted.since or "0"},
            ":before": {"S": wanted.before},
        },
    }


def _condition(wanted: Filter, part: Mapping[str, Any]) -> dict[str, Any]:
    """What an index does not say. Photos that were refused have no model_version."""
    said = ["attribute_exists(model_version)", "model_version <> :model"]
    values = dict(part.get("ExpressionAttributeValues", {})) | {
        ":model": {"S": wanted.model_version}
    }
    if not part:
        said.append("classified_at <= :before")
        values[":before"] = {"S": wanted.before}
    if wanted.below:
        said.append("confidence < :below")
        values[":below"] = {"N": wanted.below}
    return {
        "FilterExpression": " AND ".join(said),
        "ExpressionAttributeValues": values,
        "ProjectionExpression": _FIELDS,
    }


def months(first: str, last: str) -> Iterator[str]:
    """`2026-11` for each month from one ISO 8601 text to another, both included."""
    year, month = int(first[:4]), int(first[5:7])
    while (text := f"{year:04}-{month:02}") <= last[:7]:
        yield text
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _photo(item: Mapping[str, Any], own_bucket: str) -> Photo:
    bucket, key = photo_of(item["image_key"]["S"], own_bucket)
    return Photo(
        bucket,
        key,
        int(item.get("size_bytes", {}).get("N", 0)),
        item.get("etag", {}).get("S", ""),
        item["sequencer"]["S"],
        item.get("version_id", {}).get("S", ""),
        item["model_version"]["S"],
    )
