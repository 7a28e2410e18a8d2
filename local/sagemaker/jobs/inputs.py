"""What a job reads: S3 prefixes, as files in /opt/ml/input/data/<channel>.

A FastFile channel is not copied. On AWS a file system fetches what is read while it is read. Here
each file is a link to the one in which the cloud's own S3 keeps the object, so the script sees the
same paths and the disk holds nothing twice. AWS mounts such a channel read-only; here a script that
wrote into it would change the object.

Channels in File mode are downloaded before the job starts. Their objects are kept by content, known
by ETag and size, so that the trials of a tuning job and the hosts of one share a copy. A job gets
hard links, which cost no disk and no time. A job that writes into its input would change every
other job's copy: what was changed is seen by its modification time when the next job wants it, and
downloaded again.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
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
from local.store import Record

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
        for half in folder.rglob(f"*{_PARTIAL}"):  # of a cloud that was killed
            half.unlink(missing_ok=True)

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


@dataclass(frozen=True)
class Source:
    """Where channels come from: the cloud's S3, what was fetched before, and S3's own folder."""

    client: Any
    cache: ObjectCache
    buckets: Path  # a folder a bucket, in which ministack keeps each object as a file
    region: str


def fill_channel(source: Source, record: Record, channel: Record, folders: Sequence[Path]) -> None:
    """Everything below a channel's S3 prefix, for each host's folder. Raises JobFailedError.

    With S3DataDistributionType ShardedByS3Key each of n hosts gets every n-th object.
    """
    data = channel["DataSource"]["S3DataSource"]
    bucket, prefix = split_prefix(data["S3Uri"])
    found = _listed(source, data["S3Uri"])
    put = source.cache.fetch
    if input_mode(channel, record) == "FastFile":
        put = partial(_link_stored, source)
    shared = data.get("S3DataDistributionType") == "ShardedByS3Key"
    for rank, folder in enumerate(folders):
        mine = found[rank :: len(folders)] if shared else found
        folder.mkdir(parents=True, exist_ok=True)
        targets = [folder / local_name(wanted.key, prefix) for wanted in mine]
        with ThreadPoolExecutor(TRANSFER_THREADS, "download") as pool:
            try:
                for _ in pool.map(partial(put, source.client, bucket), mine, targets):
                    pass
            except S3_ERRORS as error:
                pool.shutdown(cancel_futures=True)
                raise JobFailedError(
                    f"ClientError: Data download failed: {data['S3Uri']}: {error}"
                ) from error


def input_mode(channel: Record, record: Record) -> str:
    """File or FastFile: the channel's own, or the job's."""
    mode: str = channel.get("InputMode") or record["AlgorithmSpecification"]["TrainingInputMode"]
    return mode


def _link_stored(source: Source, client: Any, bucket: str, wanted: S3Object, target: Path) -> None:
    """A link to the file in which S3 keeps the object.

    What it keeps under another name, because no file could be called like the key, is downloaded.
    """
    stored = source.buckets / bucket / wanted.key
    if not stored.is_file() or stored.stat().st_size != wanted.size:
        source.cache.fetch(client, bucket, wanted, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(stored)


def _listed(source: Source, url: str) -> list[S3Object]:
    bucket, prefix = split_prefix(url)
    try:
        found = objects(source.client, bucket, prefix)
    except S3_ERRORS as error:
        raise JobFailedError(f"ClientError: Data download failed: {url}: {error}") from error
    if not found:
        raise JobFailedError(
            f'ClientError: No S3 objects found under S3 URL "{url}" given in input data source. '
            f"Please ensure that the bucket exists in the selected region ({source.region}) and "
            "that objects exist under that S3 prefix."
        )
    return found


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
