"""The data set in S3 as a job sees it: everything below one URI, and what identifies it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

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
