"""Input channels: S3 prefixes downloaded to /opt/ml/input/data/<channel> before the job starts.

FastFile channels are downloaded too: on AWS they are read through a file system while the job runs;
the script sees the same paths.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from local.sagemaker.jobs.errors import JobError
from local.sagemaker.jobs.object_cache import ObjectCache
from local.sagemaker.jobs.s3 import S3_ERRORS, TRANSFER_THREADS, S3Object, objects, split_prefix


def download(client: Any, cache: ObjectCache, url: str, folder: Path, region: str) -> None:
    """Everything below an S3 prefix, in parallel. Raises JobError."""
    bucket, prefix = split_prefix(url)
    try:
        found = objects(client, bucket, prefix)
    except S3_ERRORS as error:
        raise JobError(f"ClientError: Data download failed: {url}: {error}") from error
    if not found:
        raise JobError(
            f'ClientError: No S3 objects found under S3 URL "{url}" given in input data source. '
            f"Please ensure that the bucket exists in the selected region ({region}) and that "
            "objects exist under that S3 prefix."
        )

    def fetch(wanted: S3Object) -> None:
        cache.fetch(client, bucket, wanted, folder / local_name(wanted.key, prefix))

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(TRANSFER_THREADS, "download") as pool:
        try:
            for _ in pool.map(fetch, found):
                pass
        except S3_ERRORS as error:
            pool.shutdown(cancel_futures=True)
            raise JobError(f"ClientError: Data download failed: {url}: {error}") from error


def local_name(key: str, prefix: str) -> PurePosixPath:
    """Where an object lands in its channel's folder.

    Below a folder's prefix, the rest of the key; for a prefix that is the key itself or ends inside
    a name, what follows the prefix's last slash. Raises JobError for a key that leads elsewhere.
    """
    rest = key[len(prefix) :]
    inside = prefix.endswith("/") or not prefix or rest.startswith("/")
    name = PurePosixPath(rest.lstrip("/") if inside else key[prefix.rfind("/") + 1 :])
    if ".." in name.parts or name.is_absolute() or not name.parts:
        raise JobError(f"ClientError: Data download failed: the key {key!r} is no file name.")
    return name
