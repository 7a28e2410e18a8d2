"""Put a data set into S3, only what changed: <prefix>/<split>/<class folder>/<file>.

A SageMaker training job reads it with one channel `data` (S3DataType S3Prefix, Uploaded.uri).
Everything below the prefix is in that channel, so objects that are not in the data set are named in
the result; they are deleted only on request. A made version's dataset.json goes along, its audit/
stays.

An object is left alone where it certainly is the same: its ETag is the MD5 of the file (true for
what came in one part and is not encrypted with KMS; listing alone tells), or else S3 holds the
file's SHA-256 for it. Every upload from here gives S3 that SHA-256, which it checks the bytes by.
"""

import base64
import hashlib
import json
import mimetypes
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from training.data.dataset import DataSet
from training.data.digests import file_digest
from training.data.errors import DataError
from training.data.folders import MANIFEST

# One request costs about 1.6 ms of CPU here and waits 20 to 50 ms for S3: with 16 at a time the CPU
# is nearly busy, and more made it slower (measured against a local S3: 150 photos a second with 1
# thread, 250 with 16, 130 with 32).
THREADS = 16
_DELETED_AT_ONCE = 1000  # the most that DeleteObjects takes


@dataclass(frozen=True)
class Uploaded:
    """What `upload` did. `extra` are keys below the prefix that are not in the data set."""

    uri: str  # ends in "/", so that photos/ is not also photos-old/
    hash: str
    sent: int
    sent_bytes: int
    unchanged: int
    extra: tuple[str, ...]
    deleted: bool  # whether the extra ones were deleted
    seconds: float


@dataclass(frozen=True)
class _Place:
    """A bucket and the prefix (ending in "/", or empty) that everything goes below."""

    client: Any
    bucket: str
    prefix: str


@dataclass(frozen=True)
class _Object:
    size: int
    etag: str


def make_client() -> Any:
    """An S3 client for THREADS requests at a time; SlowDown and time-outs are retried."""
    return boto3.client(
        "s3",
        config=Config(
            max_pool_connections=THREADS,
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 8},
        ),
    )


def upload(
    data: DataSet, uri: str, client: Any, progress: Callable[[int, int], None], delete: bool = False
) -> Uploaded:
    """Send the photos that S3 does not have yet to `uri`, s3://bucket or s3://bucket/prefix.

    `progress` gets the photos dealt with and in all. With `delete`, objects below the prefix that
    are not in the data set are deleted. Stopped half-way, it can simply be run again.

    Raises DataError where the URI is none, or S3 refuses.
    """
    start = time.monotonic()
    place = _place(uri, client)
    files = {name: (path, data.digests[name]) for path, name in data.names.items()}
    if data.manifest is not None:
        files[MANIFEST] = (data.manifest, file_digest(data.manifest))
    outcomes, extra = _send_all(place, files, progress, delete)
    sent = [size for size in outcomes if size is not None]
    return Uploaded(
        uri=f"s3://{place.bucket}/{place.prefix}",
        hash=data.hash,
        sent=len(sent),
        sent_bytes=sum(sent),
        unchanged=len(outcomes) - len(sent),
        extra=tuple(extra),
        deleted=delete and bool(extra),
        seconds=round(time.monotonic() - start, 2),
    )


def upload_files(
    files: Mapping[str, tuple[Path, str]],
    uri: str,
    client: Any,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Send files, by their name below `uri` with their path and sha256; how many S3 did not have.

    Raises DataError as upload does.
    """
    outcomes, _ = _send_all(_place(uri, client), files, progress, delete=False)
    return sum(size is not None for size in outcomes)


def read_json(uri: str, name: str, client: Any) -> Any | None:
    """A JSON file below `uri`; None where there is none. Raises DataError as upload does."""
    place = _place(uri, client)
    try:
        answer = client.get_object(Bucket=place.bucket, Key=place.prefix + name)
        return json.loads(answer["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise DataError(_explained(error, place)) from error
    except BotoCoreError as error:
        raise DataError(_explained(error, place)) from error
    except ValueError as error:
        raise DataError(f"{uri.rstrip('/')}/{name} is no JSON: {error}. Remove it.") from error


def write_json(uri: str, name: str, content: object, client: Any) -> None:
    """A small JSON file below `uri`. Raises DataError as upload does."""
    place = _place(uri, client)
    body = (json.dumps(content) + "\n").encode()
    try:
        client.put_object(
            Bucket=place.bucket,
            Key=place.prefix + name,
            Body=body,
            ContentType="application/json",
        )
    except (ClientError, BotoCoreError) as error:
        raise DataError(_explained(error, place)) from error


def _send_all(
    place: _Place,
    files: Mapping[str, tuple[Path, str]],
    progress: Callable[[int, int], None],
    delete: bool,
) -> tuple[list[int | None], list[str]]:
    """The bytes sent of each file, None where S3 had it; and what else is below the prefix."""
    sources = {place.prefix + name: source for name, source in files.items()}
    try:
        there = _listing(place)

        def send(key: str) -> int | None:
            path, sha256 = sources[key]
            return _send(place, key, path, sha256, there.get(key))

        outcomes = _in_parallel(send, sorted(sources), progress)
        extra = sorted(there.keys() - sources.keys())
        if delete:
            _delete(place, extra)
    except (ClientError, BotoCoreError) as error:
        raise DataError(_explained(error, place)) from error
    return outcomes, extra


def _place(uri: str, client: Any) -> _Place:
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", uri)
    if match is None:
        raise DataError(f"{uri!r} is no S3 URI. Expected s3://bucket/prefix.")
    prefix = (match[2] or "").strip("/")
    return _Place(client, match[1], f"{prefix}/" if prefix else "")


def _listing(place: _Place) -> dict[str, _Object]:
    """Every object below the prefix; folder markers of the console (empty, "/" at the end) too."""
    pages = place.client.get_paginator("list_objects_v2").paginate(
        Bucket=place.bucket, Prefix=place.prefix
    )
    return {
        entry["Key"]: _Object(entry["Size"], entry["ETag"].strip('"'))
        for page in pages
        for entry in page.get("Contents", [])
    }


def _send(place: _Place, key: str, path: Path, sha256: str, there: _Object | None) -> int | None:
    """Upload one file unless S3 has it; returns its size in bytes, or None where S3 has it."""
    content = path.read_bytes()
    checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
    if there and there.size == len(content) and _is_same(place, key, content, checksum, there):
        return None
    place.client.put_object(
        Bucket=place.bucket,
        Key=key,
        Body=content,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=checksum,
        ContentType=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
    )
    return len(content)


def _is_same(place: _Place, key: str, content: bytes, checksum: str, there: _Object) -> bool:
    if hashlib.md5(content, usedforsecurity=False).hexdigest() == there.etag:
        return True
    head = place.client.head_object(Bucket=place.bucket, Key=key, ChecksumMode="ENABLED")
    return bool(head.get("ChecksumSHA256") == checksum)


def _in_parallel(
    send: Callable[[str], int | None], keys: Sequence[str], progress: Callable[[int, int], None]
) -> list[int | None]:
    """`send` for every key. The first error, or Ctrl-C, ends it: no other one is begun."""
    over = Event()

    def unless_over(key: str) -> int | None:
        if over.is_set():
            return None  # no one sees it: the error is raised instead
        try:
            return send(key)
        except BaseException:
            over.set()
            raise

    results = []
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for done, result in enumerate(pool.map(unless_over, keys), start=1):
                results.append(result)
                progress(done, len(keys))
        except BaseException:
            over.set()
            raise
    return results


def _delete(place: _Place, keys: Sequence[str]) -> None:
    for chunk in _chunks(keys, _DELETED_AT_ONCE):
        answer = place.client.delete_objects(
            Bucket=place.bucket, Delete={"Objects": [{"Key": key} for key in chunk], "Quiet": True}
        )
        for failure in answer.get("Errors", []):
            key, reason = failure.get("Key"), failure.get("Message") or failure.get("Code")
            raise DataError(f"s3://{place.bucket}/{key} cannot be deleted: {reason}")


def _chunks(keys: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _explained(error: ClientError | BotoCoreError, place: _Place) -> str:
    """The error with what to do about the ones that people meet."""
    remedies: dict[str, str] = {
        "NoSuchBucket": f"Make it first: aws s3 mb s3://{place.bucket}",
        "AccessDenied": "s3:ListBucket, s3:GetObject and s3:PutObject (and s3:DeleteObject for "
        "--delete) on the bucket are needed; with KMS kms:GenerateDataKey and kms:Decrypt as well.",
        "NoCredentialsError": "Configure AWS credentials, or point the shell at the local cloud.",
    }
    response = error.response["Error"]["Code"] if isinstance(error, ClientError) else None
    remedy = remedies.get(response or type(error).__name__, "Run it again to go on from there.")
    return f"s3://{place.bucket}/{place.prefix}: {error}. {remedy}"
