"""What a job left in S3, brought here: the model package, and its reports and plots unpacked."""

from __future__ import annotations

import json
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.channels import split_uri
from training.jobs.errors import CommandError

MODEL = "model.tar.gz"
OUTPUT = "output.tar.gz"
_MANIFEST = "manifest.json"


def fetch(s3: Any, job: dict[str, Any], folder: Path) -> None:
    """Download model.tar.gz to `folder` and unpack output.tar.gz beside it.

    `job` is the answer of DescribeTrainingJob. Raises CommandError naming what is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    download(s3, job["ModelArtifacts"]["S3ModelArtifacts"], folder / MODEL)
    output = folder / OUTPUT
    download(s3, output_uri(job), output)
    try:
        with tarfile.open(output) as archive:
            archive.extractall(folder, filter="data")
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise CommandError(f"{output_uri(job)}: cannot be unpacked: {error}") from error
    output.unlink()


def output_uri(job: dict[str, Any]) -> str:
    """Where SageMaker puts what a job wrote to /opt/ml/output/data."""
    base = job["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    return f"{base}/{job['TrainingJobName']}/output/{OUTPUT}"


def read_manifest(package: Path) -> dict[str, Any]:
    """manifest.json of a model package. Raises CommandError when it holds none."""
    try:
        with tarfile.open(package) as archive:
            # By the path, not the letters: tar -C folder . calls it ./manifest.json.
            files = {PurePosixPath(member.name): member for member in archive if member.isfile()}
            found = files.get(PurePosixPath(_MANIFEST))
            content = archive.extractfile(found) if found else None
            manifest = json.loads(content.read()) if content else None
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise CommandError(f"{package}: no model package: {error}") from error
    if manifest is None:
        deeper = [path for path in files if path.name == _MANIFEST]
        where = f"only {deeper[0]}" if deeper else "none of its files"
        raise CommandError(
            f"{package}: no model package: {where} is its {_MANIFEST}. Pack what is in the folder, "
            "not the folder: tar czf model.tar.gz -C FOLDER ."
        )
    if not isinstance(manifest, dict) or "version" not in manifest:
        raise CommandError(f"{package}: its {_MANIFEST} has no version")
    return manifest


def download(s3: Any, uri: str, path: Path) -> None:
    """One object to a file. Raises CommandError."""
    bucket, key = split_uri(uri)
    try:
        s3.download_file(bucket, key, str(path))
    except ClientError as error:
        raise CommandError(f"{uri}: cannot be downloaded: {error}") from error
