"""The source archive of a job: the code that runs inside the container, and what it needs.

The same code gives the same bytes, and the key in S3 is their hash: an archive is uploaded once,
and a job's description says exactly which code it ran.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import UsageError

PROGRAM = "training/train.py"
REQUIREMENTS = "training/requirements.txt"
_ROOT = Path(__file__).resolve().parents[2]
# The launchers stay outside: they do not run in the job, and changing them changes no job.
_LEFT_OUT = "training/jobs/"


@dataclass(frozen=True)
class Source:
    """sourcedir.tar.gz and its hash (12 hex digits)."""

    archive: bytes
    digest: str


def build(root: Path = _ROOT) -> Source:
    """The archive of the project at `root`. Raises UsageError when a needed file is missing."""
    files = {
        path.relative_to(root).as_posix(): path
        for room in ("photo_reader", "serving", "training")
        for path in (root / room).rglob("*.py")
    }
    files = {name: path for name, path in files.items() if not name.startswith(_LEFT_OUT)}
    files["serving/config.yaml"] = root / "serving" / "config.yaml"
    files["requirements.txt"] = root / REQUIREMENTS  # the toolkit installs the one at the top
    for path in (root / PROGRAM, *files.values()):
        if not path.is_file():
            raise UsageError(f"{path} is missing; is the checkout complete?")
    archive = _tar_gz({name: path.read_bytes() for name, path in files.items()})
    return Source(archive, hashlib.sha256(archive).hexdigest()[:12])


def upload(source: Source, s3: Any, bucket: str, prefix: str) -> str:
    """Its S3 URI; sent only when it is not there yet."""
    key = f"{prefix}/source/{source.digest}/sourcedir.tar.gz"
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
            raise
        s3.put_object(Bucket=bucket, Key=key, Body=source.archive)
    return f"s3://{bucket}/{key}"


def _tar_gz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()
