"""The source archive of a job: the code that runs inside the container, and what it needs.

The same code gives the same bytes, and the key in S3 is their hash: an archive is uploaded once,
and a job's description says exactly which code it ran.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import UsageError

PROGRAM = "training/train.py"
REQUIREMENTS = "training/requirements.txt"
_FEATURES, _OPTIONS = "training/features/cache.py", "training/options.py"
_ROOT = Path(__file__).resolve().parents[2]
# The launchers stay outside: they do not run in the job, and changing them changes no job.
_LEFT_OUT = "training/jobs/"


@dataclass(frozen=True)
class SourceArchive:
    """sourcedir.tar.gz and its hash (12 hex digits)."""

    archive: bytes
    digest: str

    @cached_property
    def features_digest(self) -> str:
        """The hash of the part that decides the features of a photo."""
        with tarfile.open(fileobj=io.BytesIO(self.archive)) as opened:
            contents = {m.name: file.read() for m in opened if (file := opened.extractfile(m))}
        return _short(_tar_gz(features_code(contents)))


def build(root: Path = _ROOT) -> SourceArchive:
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
    return SourceArchive(archive, _short(archive))


def features_code(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """The part of a source archive that decides the features of a photo.

    That is what computes them with all that it imports, the program and its options, which choose
    what is computed, and the versions of libraries. Plots, metrics and rules are not in it.
    """
    needed = {PROGRAM, _OPTIONS, "requirements.txt"}
    waiting = [_FEATURES]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _imported(contents[name], contents.keys())
    return {name: contents[name] for name in sorted(needed)}


def _imported(code: bytes, names: Collection[str]) -> list[str]:
    """Those of `names` that a module's imports load, the packages around them included."""
    wanted = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            wanted |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = set()
    for module in wanted:
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            found |= {f"{path}.py", f"{path}/__init__.py"} & set(names)
    return sorted(found)


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def upload(source: SourceArchive, s3: Any, bucket: str, prefix: str) -> str:
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


def git_commit() -> str:
    """The checkout's commit, with -dirty where files differ from it; empty without git."""
    git = shutil.which("git")
    if git is None:
        return ""
    described = subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return described.stdout.strip() if described.returncode == 0 else ""
