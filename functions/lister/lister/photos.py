"""Pages of a bucket's listing, without what has a row already."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lister.core import Page
from lister.errors import AgainError, RefusedError
from lister.job import Job
from lister.messages import Photo, image_key, sequencer_of

KEYS_A_CALL = 100  # BatchGetItem's limit
READERS = 4
MAX_ROUNDS = 5
_ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}
_REFUSED = {"AccessDenied", "AllAccessDisabled", "NoSuchBucket", "PermanentRedirect"}


def read_page(s3: Any, dynamodb: Any, table: str, own_bucket: str, size: int, job: Job) -> Page:
    """The objects after the job's place. Raises RefusedError, AgainError."""
    after = {"StartAfter": job.place["after"]} if job.place else {}
    try:
        listed = s3.list_objects_v2(
            Bucket=job.bucket,
            Prefix=job.prefix,
            MaxKeys=size,
            OptionalObjectAttributes=["RestoreStatus"],
            **after,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in _REFUSED:
            raise RefusedError(f"s3://{job.bucket} cannot be listed: {error}") from error
        raise AgainError(f"s3://{job.bucket} was not listed: {error}") from error
    except BotoCoreError as error:
        raise AgainError(f"s3://{job.bucket} was not listed: {error}") from error
    found = listed.get("Contents", [])
    # A key that ends so is what the console's "create folder" leaves behind.
    objects = [each for each in found if not each["Key"].endswith("/")]
    photos = [_photo(job.bucket, each) for each in objects]
    keys = [image_key(job.bucket, photo.key, own_bucket) for photo in photos]
    rows = _rows(dynamodb, table, keys)
    new = []
    for key, photo, each in zip(keys, photos, objects, strict=True):
        row = rows.get(key)
        if row is None or not row.answers(photo):
            new.append(photo)
        elif row.archived and row.etag == photo.etag and _is_readable(each):
            new.append(replace(photo, restored=True))
    last = found[-1]["Key"] if found and listed.get("IsTruncated") else None
    return Page(len(found), new, {"after": last} if last is not None else None)


def _photo(bucket: str, listed: Mapping[str, Any]) -> Photo:
    etag = listed["ETag"].strip('"')
    sequencer = sequencer_of(listed["LastModified"], etag)
    return Photo(bucket, listed["Key"], listed["Size"], etag, sequencer)


def _is_readable(listed: Mapping[str, Any]) -> bool:
    """Not in an archive, or a copy of it is restored. S3 Intelligent-Tiering does not say."""
    if listed.get("StorageClass") not in _ARCHIVES:
        return True
    restored = listed.get("RestoreStatus", {})
    return "RestoreExpiryDate" in restored and not restored.get("IsRestoreInProgress")


@dataclass(frozen=True)
class _Row:
    """What a row answers; "" where it does not say."""

    etag: str
    sequencer: str
    archived: bool

    def answers(self, photo: Photo) -> bool:
        """This very content, or an event that is newer than what was listed."""
        return self.etag == photo.etag or self.sequencer >= photo.sequencer


def _rows(dynamodb: Any, table: str, keys: Sequence[str]) -> Mapping[str, _Row]:
    """The rows of those image keys that have one."""
    parts = [keys[start : start + KEYS_A_CALL] for start in range(0, len(keys), KEYS_A_CALL)]
    found: dict[str, _Row] = {}
    if parts:
        with ThreadPoolExecutor(min(READERS, len(parts))) as pool:
            for rows in pool.map(lambda part: _rows_of_one_call(dynamodb, table, part), parts):
                found |= rows
    return found


def _rows_of_one_call(dynamodb: Any, table: str, keys: Sequence[str]) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    # Eventually consistent, at half the price: a row of a moment ago that is missed costs a message
    # that the function finds answered.
    wanted = {
        table: {
            "Keys": [{"image_key": {"S": key}} for key in keys],
            "ProjectionExpression": "image_key, etag, sequencer, #reason.#code",
            "ExpressionAttributeNames": {"#reason": "reason", "#code": "code"},
        }
    }
    for _ in range(MAX_ROUNDS):
        try:
            answer = dynamodb.batch_get_item(RequestItems=wanted)
        except (BotoCoreError, ClientError) as error:
            raise AgainError(f"the table could not be read: {error}") from error
        for item in answer.get("Responses", {}).get(table, ()):
            etag, sequencer = (item.get(name, {}).get("S", "") for name in ("etag", "sequencer"))
            code = item.get("reason", {}).get("M", {}).get("code", {}).get("S")
            found[item["image_key"]["S"]] = _Row(etag, sequencer, code == "ARCHIVED")
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            return found
    raise AgainError(f"the table left keys unread {MAX_ROUNDS} times")
