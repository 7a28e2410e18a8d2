"""One photo through a deployed stack: uploaded, waited for, deleted again."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from PIL import Image

from training.jobs.errors import CommandError, UsageError
from training.jobs.evaluate import wait_for_rows
from training.jobs.stack import PREFIX, Stack

# A row says one of these of a photo that it could read; the fourth is REJECTED.
ANSWERED = ("CLASSIFIED", "NO_DOG", "UNKNOWN_BREED")
REMOVAL_S = 120.0  # a removal is one more message in the queue; nothing waits for the endpoint
_POLL_S = 0.5


@dataclass(frozen=True)
class Photo:
    """`breed` is what its row must say; None: any answer will do."""

    content: bytes
    suffix: str
    breed: str | None


def drawn() -> Photo:
    """A picture that every stack can read. It shows no dog: what counts is that it has a row."""
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(file, "JPEG")
    return Photo(file.getvalue(), ".jpg", None)


def of_file(path: Path, breed: str | None) -> Photo:
    """Raises UsageError for what cannot be read."""
    try:
        return Photo(path.read_bytes(), path.suffix.lower(), breed)
    except OSError as error:
        raise UsageError(f"PHOTO={path}: cannot be read: {error.strerror}") from error


def smoke(
    clients: Callable[[str], Any], stack: Stack, photo: Photo, say: Callable[[str], None]
) -> dict[str, Any]:
    """Upload, wait for the row, delete the photo, wait until the row says so, delete the row.

    Returns the row as it was answered. No version of the photo stays; its thumbnail's goes a day
    later, as that of every photo that is deleted.

    Raises:
        CommandError: there was no row, or another than it should be. The photo and its row are
            left as they are, to be looked at.
    """
    s3 = clients("s3")
    key = f"{PREFIX}smoke-{time.strftime('%y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}{photo.suffix}"
    began = time.monotonic()
    put = s3.put_object(Bucket=stack.bucket, Key=key, Body=photo.content)
    row = wait_for_rows(clients, stack, [key], lambda _what, _count: None)[key]
    seconds = time.monotonic() - began
    _check(stack, key, row, put.get("VersionId"), photo.breed)
    say(f"s3://{stack.bucket}/{key}: {_words(row)}, {seconds:.1f} s after its upload")
    _remove(clients, stack, key, put.get("VersionId"))
    say("deleted again, with its row")
    return row


def _check(
    stack: Stack, key: str, row: dict[str, Any], version: str | None, breed: str | None
) -> None:
    wrong = None
    if row["status"] not in ANSWERED:
        reason = row.get("reason", {})
        wrong = f"the row says {row['status']} ({reason.get('code')}: {reason.get('message')})"
    elif version is not None and row.get("version_id") != version:
        wrong = f"the row is of version {row.get('version_id')}, not of {version}"
    elif breed is not None and row.get("breed") != breed:
        wrong = f"the row says {_words(row)}, not {breed}"
    if wrong:
        raise CommandError(
            f"s3://{stack.bucket}/{key}: {wrong}. Photo and row are left to look at; the function's"
            f" log: sam logs --stack-name {stack.name} --name ClassifyFunction"
        )


def _words(row: dict[str, Any]) -> str:
    if row["status"] != "CLASSIFIED":
        return str(row["status"])
    return f"{row['breed']} ({float(row['confidence']):.0%}, model {row['model_version']})"


def _remove(clients: Callable[[str], Any], stack: Stack, key: str, version: str | None) -> None:
    """The version itself, so that no old one is kept. The row goes once it has heard of it."""
    s3, dynamodb = clients("s3"), clients("dynamodb")
    named = {"VersionId": version} if version else {}
    try:
        s3.delete_object(Bucket=stack.bucket, Key=key, **named)
    except ClientError as error:
        raise CommandError(f"s3://{stack.bucket}/{key} cannot be deleted: {error}") from error
    item = {"TableName": stack.table, "Key": {"image_key": {"S": key}}}
    deadline = time.monotonic() + REMOVAL_S
    while dynamodb.get_item(**item)["Item"]["status"]["S"] != "DELETED":
        if time.monotonic() > deadline:
            raise CommandError(
                f"{key} was deleted from the bucket, and {REMOVAL_S:.0f} s later its row does not "
                f"say so: sam logs --stack-name {stack.name} --name ClassifyFunction"
            )
        time.sleep(_POLL_S)
    dynamodb.delete_item(**item)
