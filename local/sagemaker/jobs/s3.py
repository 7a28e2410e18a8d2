"""Folders in the cloud's own S3: listed, and uploaded in parallel."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

# boto3's own are those of its transfers (S3UploadFailedError and others).
S3_ERRORS = (Boto3Error, BotoCoreError, ClientError, OSError)
# The server is this same process, so more threads would only wait for one another.
TRANSFER_THREADS = 8
_IN_PARTS_BYTES = 8 * 1024 * 1024  # as boto3's own transfers


@dataclass(frozen=True)
class S3Object:
    key: str
    etag: str
    size: int


def split_prefix(url: str) -> tuple[str, str]:
    """(bucket, key prefix, which may be empty) of s3://bucket/prefix.

    Not with urllib: in a key, # and ? are letters like any other.
    """
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix


def objects(client: Any, bucket: str, prefix: str) -> list[S3Object]:
    """Every object below a prefix, without the markers that consoles make for folders."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [
        S3Object(row["Key"], row["ETag"].strip('"'), row["Size"])
        for page in pages
        for row in page.get("Contents", [])
        if not row["Key"].endswith("/")
    ]


def download(client: Any, bucket: str, wanted: S3Object, target: Path) -> None:
    """One object to one file. Raises one of S3_ERRORS."""
    if wanted.size > _IN_PARTS_BYTES:
        client.download_file(bucket, wanted.key, str(target))
        return
    # download_file would ask for the size first: twice the requests, for thousands of photos.
    body = client.get_object(Bucket=bucket, Key=wanted.key)["Body"]
    target.write_bytes(body.read())


def files_below(folder: Path) -> list[Path]:
    """Every regular file, in a fixed order; links are files only where they stay in the folder."""
    root = folder.resolve()
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and path.resolve().is_relative_to(root)
    )


def upload_files(client: Any, files: Iterable[Path], folder: Path, url: str) -> None:
    """Upload files of `folder` under the same names below `url`. Raises one of S3_ERRORS."""
    bucket, prefix = split_prefix(url)
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""

    def upload(path: Path) -> None:
        client.upload_file(str(path), bucket, prefix + path.relative_to(folder).as_posix())

    with ThreadPoolExecutor(TRANSFER_THREADS, "upload") as pool:
        for _ in pool.map(upload, files):
            pass
