"""`evaluate`: the whole test split through the deployed pipeline, from upload to row.

Every photo of the split is uploaded under a prefix of its own run; the rows that appear are the
answers. A photo that was rejected or taken for no dog is a wrong answer.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from training.figures.confidence import Coverage, coverages
from training.figures.metrics import Answers, Proportion
from training.jobs.errors import CommandError
from training.jobs.stack import PREFIX, Stack

CLASSIFIED, UNKNOWN_BREED = "CLASSIFIED", "UNKNOWN_BREED"
UPLOADS_AT_ONCE = 8
# A pipeline that writes no row for this much longer than one visibility time-out of its queue has
# stopped: a photo whose function crashed has had another try by then.
MARGIN_S = 60.0
_POLL_S = 1.0
_KEYS_A_READ = 100  # BatchGetItem's limit
_KEYS_A_DELETE = 1000  # DeleteObjects' limit


@dataclass(frozen=True)
class Shown:
    """A photo of the test split: what it shows, as the index of its label, and where it goes."""

    path: Path
    index: int
    key: str


@dataclass(frozen=True)
class Result:
    """What the rows say. `versions` counts them by model_version, which rejected ones have not.

    `named`: of all photos, those whose row has the right breed; an unknown breed has none.
    """

    top1: Proportion
    top5: Proportion
    named: Proportion
    statuses: dict[str, int]
    versions: dict[str, int]
    seconds: float
    coverage: Sequence[Coverage] = ()


def keys(photos: Sequence[tuple[Path, int]]) -> list[Shown]:
    """Each photo with a key below uploads/ that no other run uses."""
    run = f"{PREFIX}evaluate-{time.strftime('%y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    return [
        Shown(path, index, f"{run}/{number:05d}{path.suffix.lower()}")
        for number, (path, index) in enumerate(photos)
    ]


def run(
    clients: Callable[[str], Any],
    stack: Stack,
    photos: Sequence[Shown],
    labels: Sequence[str],
    progress: Callable[[str, int], None],
) -> Result:
    """Upload every photo, wait for every row, count. `progress` hears what ("uploaded", "rows") and
    how many.

    Raises CommandError when rows stop appearing before each photo has one.
    """
    began = time.monotonic()
    upload(clients("s3"), stack.bucket, photos, lambda count: progress("uploaded", count))
    rows = wait_for_rows(clients, stack, [photo.key for photo in photos], progress)
    answers = Answers(
        truth=tuple(photo.index for photo in photos),
        ranked=tuple(ranked(rows[photo.key], labels) for photo in photos),
    )
    named = sum(rows[photo.key].get("breed") == labels[photo.index] for photo in photos)
    answered = [
        (float(rows[photo.key]["confidence"]), ranked[:1] == (photo.index,))
        for photo, ranked in zip(photos, answers.ranked, strict=True)
        if rows[photo.key]["status"] == CLASSIFIED
    ]
    sure, right = [one for one, _ in answered], [one for _, one in answered]
    return Result(
        top1=answers.top(1),
        top5=answers.top(5),
        named=Proportion(named, len(photos)),
        statuses=dict(Counter(row["status"] for row in rows.values())),
        versions=dict(
            Counter(row["model_version"] for row in rows.values() if "model_version" in row)
        ),
        seconds=time.monotonic() - began,
        coverage=coverages(sure, right, len(photos)),
    )


def ranked(row: Mapping[str, Any], labels: Sequence[str]) -> tuple[int, ...]:
    """A row's answer as indices of labels, best first; empty when it is none.

    Of a dog of no known breed it is the nearest breeds: the job's own figure counts those too.
    """
    if row["status"] not in (CLASSIFIED, UNKNOWN_BREED):
        return ()
    unknown = len(labels)  # a label that the data set does not have is wrong for every photo
    by_label = {label: index for index, label in enumerate(labels)}
    return tuple(by_label.get(item["label"], unknown) for item in row["top"])


def upload(s3: Any, bucket: str, photos: Sequence[Shown], progress: Callable[[int], None]) -> None:
    """As many at once as keep the function busy."""

    def send(photo: Shown) -> None:
        s3.put_object(Bucket=bucket, Key=photo.key, Body=photo.path.read_bytes())

    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        for count, _ in enumerate(pool.map(send, photos), start=1):
            progress(count)


def clean_up(clients: Callable[[str], Any], stack: Stack, photos: Sequence[Shown]) -> None:
    """Delete the run's photos and their rows; in a bucket with versions, S3 keeps the old ones.

    Raises CommandError for what cannot be deleted.
    """
    keys_of_run = [photo.key for photo in photos]
    s3, table = clients("s3"), clients("dynamodb")
    for start in range(0, len(keys_of_run), _KEYS_A_DELETE):
        chunk = [{"Key": key} for key in keys_of_run[start : start + _KEYS_A_DELETE]]
        answer = s3.delete_objects(Bucket=stack.bucket, Delete={"Objects": chunk, "Quiet": True})
        for failure in answer.get("Errors", []):
            raise CommandError(f"{failure['Key']} cannot be deleted: {failure.get('Message')}")
    for key in keys_of_run:
        table.delete_item(TableName=stack.table, Key={"image_key": {"S": key}})


def wait_for_rows(
    clients: Callable[[str], Any],
    stack: Stack,
    wanted: Sequence[str],
    progress: Callable[[str, int], None],
) -> dict[str, dict[str, Any]]:
    """The row of each key, once all are there. `progress` hears ("rows", how many).

    Raises CommandError when rows stop appearing before that, with what waits in the queues.
    """
    dynamodb = clients("dynamodb")
    patience_s = _visibility_s(clients("sqs"), stack) + MARGIN_S
    rows: dict[str, dict[str, Any]] = {}
    last_news = time.monotonic()
    while missing := [key for key in wanted if key not in rows]:
        before = len(rows)
        for start in range(0, len(missing), _KEYS_A_READ):
            rows |= _read(dynamodb, stack.table, missing[start : start + _KEYS_A_READ])
            progress("rows", len(rows))
        if len(rows) > before:
            last_news = time.monotonic()
        elif time.monotonic() - last_news > patience_s:
            raise CommandError(_stuck(clients("sqs"), stack, missing, patience_s))
        time.sleep(_POLL_S)
    return rows


def _read(dynamodb: Any, table: str, keys_wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    request = {table: {"Keys": [{"image_key": {"S": key}} for key in keys_wanted]}}
    items = dynamodb.batch_get_item(RequestItems=request)["Responses"].get(table, [])
    decode = TypeDeserializer().deserialize
    rows = [{name: decode(value) for name, value in item.items()} for item in items]
    return {row["image_key"]: row for row in rows}


def _visibility_s(sqs: Any, stack: Stack) -> int:
    """6 minutes, or 24 for a serverless endpoint."""
    name = "VisibilityTimeout"
    answer = sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def _stuck(sqs: Any, stack: Stack, missing: Sequence[str], patience_s: float) -> str:
    places = []
    for name, url in (
        ("queue", stack.queue_url),
        ("dead-letter queue", stack.dead_letter_queue_url),
    ):
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        places.append(
            f"{name}: {counts['ApproximateNumberOfMessages']} waiting, "
            f"{counts['ApproximateNumberOfMessagesNotVisible']} in flight"
        )
    return (
        f"{len(missing)} photos have no row, and none has appeared for {patience_s:.0f} s "
        f"({'; '.join(places)}). The first is {missing[0]}; the function's log says why: "
        f"sam logs --stack-name {stack.name} --name ClassifyFunction"
    )
