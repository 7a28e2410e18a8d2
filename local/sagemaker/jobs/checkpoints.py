"""CheckpointConfig: the checkpoint folder is filled from its S3 prefix at the start, and the prefix
follows the folder while the job runs.

As on AWS nothing is deleted in S3, and a file that is being written may be uploaded half: write
under another name and rename.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from local.sagemaker.jobs.errors import JobError
from local.sagemaker.jobs.layout import Layout
from local.sagemaker.jobs.s3 import (
    S3_ERRORS,
    download,
    files_below,
    objects,
    split_prefix,
    upload_files,
)
from local.store import Record

logger = logging.getLogger(__name__)

DEFAULT_LOCAL_PATH = "/opt/ml/checkpoints"
_PERIOD_S = 2.0


class CheckpointSync:
    """A thread that uploads what changed. Without a CheckpointConfig it does nothing."""

    def __init__(self, client: Any, record: Record, layout: Layout) -> None:
        config = record.get("CheckpointConfig") or {}
        self._client = client
        self._url: str = config.get("S3Uri", "")
        self._folder = layout.local(config.get("LocalPath", DEFAULT_LOCAL_PATH))
        self._seen: dict[Path, tuple[int, int]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Download what the prefix holds, then follow the folder. Raises JobError."""
        if not self._url:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._download()
        except S3_ERRORS as error:
            raise JobError(
                f"ClientError: Checkpoint download failed: {self._url}: {error}"
            ) from error
        self._stop.clear()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="checkpoints")
        self._thread.start()

    def stop(self) -> None:
        """After a last look at the folder. Raises JobError."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        try:
            self._upload_changed()
        except S3_ERRORS as error:
            raise JobError(
                f"ClientError: Checkpoint upload failed: {self._url}: {error}"
            ) from error

    def _follow(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            try:
                self._upload_changed()
            except S3_ERRORS as error:  # the last look will say so if it stays
                logger.warning("checkpoints of %s wait: %s", self._folder, error)

    def _download(self) -> None:
        bucket, prefix = split_prefix(self._url)
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        for wanted in objects(self._client, bucket, prefix):
            target = self._folder / wanted.key[len(prefix) :]
            if not target.resolve().is_relative_to(self._folder.resolve()):
                raise JobError(f"ClientError: the checkpoint {wanted.key!r} is no file name.")
            target.parent.mkdir(parents=True, exist_ok=True)
            download(self._client, bucket, wanted, target)
            self._seen[target] = _state(target)

    def _upload_changed(self) -> None:
        changed = {}
        for path in files_below(self._folder):
            try:
                state = _state(path)
            except FileNotFoundError:
                continue  # renamed since
            if self._seen.get(path) != state:
                changed[path] = state
        try:
            upload_files(self._client, changed, self._folder, self._url)
        except FileNotFoundError:
            return  # renamed meanwhile: the next look takes it under its new name
        self._seen |= changed


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
