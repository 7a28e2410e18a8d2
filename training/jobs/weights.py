"""Weights that a backbone does not bring: a file or an object, as the jobs' channel `weights`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import UsageError
from training.jobs.inputs import split_uri


@dataclass(frozen=True)
class WeightsChannel:
    """An object in S3; `version` changes with its content."""

    uri: str
    version: str


def ready(given: str, s3: Any, bucket: str, project: str) -> WeightsChannel | None:
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
