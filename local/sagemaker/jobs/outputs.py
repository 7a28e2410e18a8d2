"""What a job writes, to S3: its checkpoints while it runs; at its end archives of its model and
output, and the folders of the debugger, the profiler and the rules.

As on AWS nothing is deleted in S3, and a checkpoint that is being written may be uploaded half:
write under a name that ends in `.sagemaker-ignore`, which is not uploaded, and rename.
"""

from __future__ import annotations

import gzip
import logging
import tarfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.files import JobFiles
from local.sagemaker.jobs.record import output_prefix
from local.sagemaker.jobs.s3 import (
    S3_ERRORS,
    download,
    files_below,
    objects,
    split_prefix,
    upload_files,
)
from local.store import Record

# Weights and pictures hardly compress; level 1 costs a fifth of the default's time.
_LEVEL = 1
_FIXED_TIME = 315_532_800  # 1980-01-01: the same folder gives the same bytes
_PROFILER_REPORT = "profiler-report"


def upload(client: Any, record: Record, hosts: Sequence[JobFiles], with_model: bool) -> None:
    """Everything but an empty folder, of every host. Raises JobFailedError.

    As on AWS one archive holds what all hosts wrote, so no two may write a file of one name.
    """
    prefix = output_prefix(record)
    try:
        if with_model:
            models = [files.model for files in hosts]
            _artifacts(client, record, models, f"{prefix}/output/model")
        outputs = [files.output_data for files in hosts]
        _artifacts(client, record, outputs, f"{prefix}/output/output")
        for files in hosts:
            for folder, url in _folders(record, files):
                upload_files(client, files_below(folder), folder, url)
            for status in sorted(files.rules.glob("*.json")):
                upload_files(client, [status], files.rules, f"{prefix}/rule-output/{status.stem}")
    except S3_ERRORS as error:
        raise JobFailedError(f"ClientError: Artifact upload failed: {error}") from error


def check_bucket(client: Any, record: Record) -> None:
    """Raise JobFailedError where the output could not be uploaded: before the training."""
    url = record["OutputDataConfig"]["S3OutputPath"]
    try:
        client.head_bucket(Bucket=split_prefix(url)[0])
    except S3_ERRORS as error:
        raise JobFailedError(f"ClientError: Artifact upload failed: {url}: {error}") from error


def _folders(record: Record, files: JobFiles) -> list[tuple[Path, str]]:
    """Folders that go to S3 as they are, each with its URL."""
    name = record["TrainingJobName"]
    folders = [
        (
            files.output_data / _PROFILER_REPORT,
            f"{output_prefix(record)}/rule-output/ProfilerReport/profiler-output",
        )
    ]
    if hook := record.get("DebugHookConfig"):
        local_path = hook.get("LocalPath")
        tensors = files.local(local_path) if local_path else files.tensors
        folders.append((tensors, f"{hook['S3OutputPath'].rstrip('/')}/{name}/debug-output"))
    if record["ProfilingStatus"] == "Enabled":
        base = record.get("ProfilerConfig", {}).get("S3OutputPath")
        base = base or record["OutputDataConfig"]["S3OutputPath"]
        folders.append((files.profiler, f"{base.rstrip('/')}/{name}/profiler-output"))
    return [(folder, url) for folder, url in folders if folder.is_dir()]


def _artifacts(client: Any, record: Record, folders: Sequence[Path], url: str) -> None:
    """The hosts' folders as <url>.tar.gz, or file by file below <url>/ where the request wants
    that.
    """
    files = merged(folders)
    if not files:
        return
    if record["OutputDataConfig"].get("CompressionType") == "NONE":
        for folder in folders:
            upload_files(client, files_below(folder), folder, url)
        return
    first = folders[0]
    archive = first.parent / f"{first.name}.tar.gz"
    try:
        pack(files, archive)
        bucket, key = split_prefix(f"{url}.tar.gz")
        client.upload_file(str(archive), bucket, key)
    finally:
        archive.unlink(missing_ok=True)


def merged(folders: Sequence[Path]) -> dict[str, Path]:
    """Every file of the folders, by its name below its folder, sorted. Raises JobFailedError.

    Links are followed where they stay in the folder and left out where they do not.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        for path in files_below(folder):
            name = path.relative_to(folder).as_posix()
            if name in files:
                raise JobFailedError(
                    f"ClientError: Artifact upload failed: two hosts wrote {folder.name}/{name}. "
                    "Let one of them write it, or give each a name of its own."
                )
            files[name] = path
    return dict(sorted(files.items()))


def pack(files: Mapping[str, Path], archive: Path) -> None:
    """Files by their names in a .tar.gz, without owners and times, streamed to the disk."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", _LEVEL, raw, mtime=_FIXED_TIME) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, path in files.items():
            member = tarfile.TarInfo(name)
            status = path.stat()
            member.size, member.mtime = status.st_size, _FIXED_TIME
            member.mode = 0o755 if status.st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                tar.addfile(member, content)


logger = logging.getLogger(__name__)

DEFAULT_LOCAL_PATH = "/opt/ml/checkpoints"
_PERIOD_S = 2.0
_NOT_UPLOADED = ".sagemaker-ignore"


class CheckpointSync:
    """A thread that uploads what changed. Without a CheckpointConfig it does nothing."""

    def __init__(self, client: Any, record: Record, files: JobFiles) -> None:
        config = record.get("CheckpointConfig") or {}
        self._client = client
        self._url: str = config.get("S3Uri", "")
        self._folder = files.local(config.get("LocalPath", DEFAULT_LOCAL_PATH))
        self._seen: dict[Path, tuple[int, int]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Download what the prefix holds, then follow the folder. Raises JobFailedError."""
        if not self._url:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._download()
        except S3_ERRORS as error:
            raise JobFailedError(
                f"ClientError: Checkpoint download failed: {self._url}: {error}"
            ) from error
        self._stop.clear()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="checkpoints")
        self._thread.start()

    def stop(self) -> None:
        """After a last look at the folder. Raises JobFailedError."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        try:
            self._upload_changed()
        except S3_ERRORS as error:
            raise JobFailedError(
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
                raise JobFailedError(f"ClientError: the checkpoint {wanted.key!r} is no file name.")
            target.parent.mkdir(parents=True, exist_ok=True)
            download(self._client, bucket, wanted, target)
            self._seen[target] = _state(target)

    def _upload_changed(self) -> None:
        changed = {}
        for path in files_below(self._folder):
            if path.name.endswith(_NOT_UPLOADED):
                continue
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
