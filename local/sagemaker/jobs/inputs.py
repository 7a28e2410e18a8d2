"""What a job reads: S3 prefixes, downloaded to /opt/ml/input/data/<channel> before it starts.

FastFile channels are downloaded too: on AWS they are read through a file system while the job runs;
the script sees the same paths.

Objects are kept by content, known by ETag and size, so that the trials of a tuning job share one
copy. A job gets hard links, which cost no disk and no time. A job that writes into its input would
change every other job's copy: what was changed is seen by its modification time when the next job
wants it, and downloaded again.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.s3 import (
    S3_ERRORS,
    TRANSFER_THREADS,
    S3Object,
    download,
    objects,
    split_prefix,
)

# A few data sets' worth; what is unused longest goes first.
MAX_CACHE_BYTES = 8 * 1024**3
# Given to every file of the cache: a file with another modification time was written to.
_PRISTINE_NS = 315_532_800 * 10**9  # 1980-01-01, before any clock
_PARTIAL = ".partial"


class ObjectCache:
    """Thread-safe. `folder` must be on the same file system as the jobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changing = threading.Lock()
        for partial in folder.rglob(f"*{_PARTIAL}"):  # of a cloud that was killed
            partial.unlink(missing_ok=True)

    def fetch(self, client: Any, bucket: str, wanted: S3Object, target: Path) -> None:
        """Put the object at `target`. Raises one of s3.S3_ERRORS."""
        kept = self._path(wanted)
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._changing:  # or `prune` takes it between the look and the link
            if _pristine(kept, wanted.size):
                _link(kept, target)
                return
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f"{kept.name}.{uuid.uuid4().hex}{_PARTIAL}")
        try:
            download(client, bucket, wanted, partial)
            os.utime(partial, ns=(_PRISTINE_NS, _PRISTINE_NS))
            with self._changing:
                partial.replace(kept)  # a new file: jobs that hold the old one keep it
                _link(kept, target)
        finally:
            partial.unlink(missing_ok=True)

    def _path(self, wanted: S3Object) -> Path:
        return self._folder / wanted.etag[:2] / f"{wanted.etag}-{wanted.size}"

    def prune(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        """Delete the longest unused until the rest fits; what a job holds costs nothing here."""
        with self._changing:
            unused = [
                (status.st_atime_ns, status.st_size, path)
                for path in self._folder.rglob("*-*")
                if path.suffix != _PARTIAL  # another job is downloading it
                and path.is_file()
                and (status := path.stat()).st_nlink == 1
            ]
            total = sum(size for _, size, _ in unused)
            for _, size, path in sorted(unused):
                if total <= max_bytes:
                    return
                path.unlink(missing_ok=True)
                total -= size


def _link(kept: Path, target: Path) -> None:
    os.utime(kept, ns=(time.time_ns(), _PRISTINE_NS))  # used now
    os.link(kept, target)


def _pristine(kept: Path, size: int) -> bool:
    try:
        status = kept.stat()
    except FileNotFoundError:
        return False
    return status.st_size == size and status.st_mtime_ns == _PRISTINE_NS


def download_channel(client: Any, cache: ObjectCache, url: str, folder: Path, region: str) -> None:
    """Everything below an S3 prefix, in parallel. Raises JobFailedError."""
    bucket, prefix = split_prefix(url)
    try:
        found = objects(client, bucket, prefix)
    except S3_ERRORS as error:
        raise JobFailedError(f"ClientError: Data download failed: {url}: {error}") from error
    if not found:
        raise JobFailedError(
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
            raise JobFailedError(f"ClientError: Data download failed: {url}: {error}") from error


def local_name(key: str, prefix: str) -> PurePosixPath:
    """Where an object lands in its channel's folder.

    Below a folder's prefix, the rest of the key; for a prefix that is the key itself or ends inside
    a name, what follows the prefix's last slash. Raises JobFailedError for a key that leads
    elsewhere.
    """
    rest = key[len(prefix) :]
    inside = prefix.endswith("/") or not prefix or rest.startswith("/")
    name = PurePosixPath(rest.lstrip("/") if inside else key[prefix.rfind("/") + 1 :])
    if ".." in name.parts or name.is_absolute() or not name.parts:
        raise JobFailedError(f"ClientError: Data download failed: the key {key!r} is no file name.")
    return name
