"""What a job leaves behind, to S3: archives of its model and output, and the folders of the
debugger, the profiler and the rules.
"""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path
from typing import Any

from local.sagemaker.jobs.errors import JobError
from local.sagemaker.jobs.layout import Layout
from local.sagemaker.jobs.record import output_prefix
from local.sagemaker.jobs.s3 import S3_ERRORS, files_below, split_prefix, upload_files
from local.store import Record

# Weights and pictures hardly compress; level 1 costs a fifth of the default's time.
_LEVEL = 1
_FIXED_TIME = 315_532_800  # 1980-01-01: the same folder gives the same bytes
_PROFILER_REPORT = "profiler-report"


def upload(client: Any, record: Record, layout: Layout, with_model: bool) -> None:
    """Everything but an empty folder. Raises JobError."""
    prefix = output_prefix(record)
    try:
        if with_model:
            _artifacts(client, record, layout.model, f"{prefix}/output/model")
        _artifacts(client, record, layout.output_data, f"{prefix}/output/output")
        for folder, url in _folders(record, layout):
            upload_files(client, files_below(folder), folder, url)
        for status in sorted(layout.rules.glob("*.json")):
            upload_files(client, [status], layout.rules, f"{prefix}/rule-output/{status.stem}")
    except S3_ERRORS as error:
        raise JobError(f"ClientError: Artifact upload failed: {error}") from error


def check_bucket(client: Any, record: Record) -> None:
    """Raise JobError where the output could not be uploaded: better known before the training."""
    url = record["OutputDataConfig"]["S3OutputPath"]
    try:
        client.head_bucket(Bucket=split_prefix(url)[0])
    except S3_ERRORS as error:
        raise JobError(f"ClientError: Artifact upload failed: {url}: {error}") from error


def _folders(record: Record, layout: Layout) -> list[tuple[Path, str]]:
    """Folders that go to S3 as they are, each with its URL."""
    name = record["TrainingJobName"]
    folders = [
        (
            layout.output_data / _PROFILER_REPORT,
            f"{output_prefix(record)}/rule-output/ProfilerReport/profiler-output",
        )
    ]
    if hook := record.get("DebugHookConfig"):
        local_path = hook.get("LocalPath")
        tensors = layout.local(local_path) if local_path else layout.tensors
        folders.append((tensors, f"{hook['S3OutputPath'].rstrip('/')}/{name}/debug-output"))
    if record["ProfilingStatus"] == "Enabled":
        base = record.get("ProfilerConfig", {}).get("S3OutputPath")
        base = base or record["OutputDataConfig"]["S3OutputPath"]
        folders.append((layout.profiler, f"{base.rstrip('/')}/{name}/profiler-output"))
    return [(folder, url) for folder, url in folders if folder.is_dir()]


def _artifacts(client: Any, record: Record, folder: Path, url: str) -> None:
    """A folder as <url>.tar.gz, or file by file below <url>/ where the request wants that."""
    files = files_below(folder)
    if not files:
        return
    if record["OutputDataConfig"].get("CompressionType") == "NONE":
        upload_files(client, files, folder, url)
        return
    archive = folder.parent / f"{folder.name}.tar.gz"
    try:
        pack(folder, archive)
        bucket, key = split_prefix(f"{url}.tar.gz")
        client.upload_file(str(archive), bucket, key)
    finally:
        archive.unlink(missing_ok=True)


def pack(folder: Path, archive: Path) -> None:
    """The folder's files in a .tar.gz: sorted, without owners and times, streamed to the disk.

    Links are followed where they stay in the folder and left out where they do not.
    """
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", _LEVEL, raw, mtime=_FIXED_TIME) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in files_below(folder):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            status = path.stat()
            member.size, member.mtime = status.st_size, _FIXED_TIME
            member.mode = 0o755 if status.st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                tar.addfile(member, content)
