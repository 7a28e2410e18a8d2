"""What a job left in S3, brought here: the model package, and its reports and plots unpacked."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import CommandError
from training.jobs.inputs import split_uri

MODEL = "model.tar.gz"
OUTPUT = "output.tar.gz"


def fetch(s3: Any, job: dict[str, Any], folder: Path) -> None:
    """Download model.tar.gz to `folder` and unpack output.tar.gz beside it.

    `job` is the answer of DescribeTrainingJob. Raises CommandError naming what is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _download(s3, job["ModelArtifacts"]["S3ModelArtifacts"], folder / MODEL)
    output = folder / OUTPUT
    _download(s3, output_uri(job), output)
    try:
        with tarfile.open(output) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
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
            member = archive.extractfile("manifest.json")
            manifest = json.loads(member.read()) if member else None
    except (OSError, KeyError, tarfile.TarError, EOFError, ValueError) as error:
        raise CommandError(f"{package}: no model package: {error}") from error
    if not isinstance(manifest, dict) or "version" not in manifest:
        raise CommandError(f"{package}: its manifest.json has no version")
    return manifest


def _download(s3: Any, uri: str, path: Path) -> None:
    bucket, key = split_uri(uri)
    try:
        s3.download_file(bucket, key, str(path))
    except ClientError as error:
        raise CommandError(f"{uri}: cannot be downloaded: {error}") from error
