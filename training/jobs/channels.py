"""What a job reads from S3: the data set, and weights that its backbone does not bring."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import UsageError


@dataclass(frozen=True)
class UploadedData:
    """`digest` (12 hex digits) changes with any object's name, size or ETag.

    `uri` ends in a slash, so that a job gets what was listed and nothing beside it.
    """

    uri: str
    digest: str
    objects: int


def split_uri(uri: str) -> tuple[str, str]:
    """s3://bucket/some/key -> (bucket, some/key). Raises UsageError."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise UsageError(f"{uri}: expected s3://bucket/folder")
    return bucket, key.strip("/")


def look(s3: Any, uri: str) -> UploadedData:
    """List the data set at `uri`. Raises UsageError when there is no train/ folder in it."""
    bucket, prefix = split_uri(uri)
    start = f"{prefix}/" if prefix else ""
    digest, count, folders = hashlib.sha256(), 0, set()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start):
        for item in page.get("Contents", []):
            name = item["Key"].removeprefix(start)
            digest.update(f"{name}\0{item['Size']}\0{item['ETag']}\n".encode())
            folders.add(name.split("/")[0])
            count += 1
    if "train" not in folders:
        found = f"only {', '.join(sorted(folders))}" if folders else "nothing"
        raise UsageError(
            f"{uri}: {found} there, and a job needs train/, valid/ and test/. Upload a data set: "
            f"python -m training.data upload FOLDER {uri}"
        )
    return UploadedData(f"s3://{bucket}/{start}", digest.hexdigest()[:12], count)


@dataclass(frozen=True)
class WeightsChannel:
    """An object in S3; `version` changes with its content."""

    uri: str
    version: str


def ready_weights(given: str, s3: Any, bucket: str, project: str) -> WeightsChannel | None:
    """The configuration's `weights` in S3; a file is uploaded once. None where there are none.

    Raises UsageError for what is not there.
    """
    if not given:
        return None
    if given.startswith("s3://"):
        return _there(given, s3)
    path = Path(given).expanduser()
    if not path.is_file():
        raise UsageError(
            f"[jobs] weights: {path} is no file. `make weights` fetches ResNet50's; any other "
            ".safetensors or state dict that fits the backbone will do, or its s3:// URI"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    key = f"{project}/weights/{digest}/{path.name}"
    uri = f"s3://{bucket}/{key}"
    try:
        return _there(uri, s3)
    except UsageError:
        s3.upload_file(str(path), bucket, key)
    return _there(uri, s3)


def _there(uri: str, s3: Any) -> WeightsChannel:
    bucket, key = split_uri(uri)
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound", "NoSuchBucket"):
            raise
        raise UsageError(f"[jobs] weights: there is no object {uri}") from error
    return WeightsChannel(uri, found["ETag"].strip('"'))
