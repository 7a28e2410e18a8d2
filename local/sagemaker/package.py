"""An archive (a model package, a job's code): fetched from the cloud's own S3 and unpacked where a
container would find it.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from local.clients import aws_client
from local.errors import AwsError
from local.sagemaker.jobs.s3 import split_prefix

# Far above the archives this product makes (under 200 MB), far below a laptop's disk.
MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_FILES = 20_000
_BLOCK_BYTES = 1024 * 1024
# What gzip, zlib and tarfile raise for damaged data; the last two for numbers in a tar's headers.
_DAMAGED = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError)


class ModelDataError(Exception):
    """The archive cannot be used. The message becomes an endpoint's or a job's FailureReason."""


def model_data_url(model: dict[str, Any]) -> str | None:
    """The S3 URL of a model's archive, or None for a model without one.

    Raises AwsError for model data that is not one archive.
    """
    container = primary_container(model)
    source: dict[str, str] | None = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        url: str | None = container.get("ModelDataUrl")
        return url
    if source.get("S3DataType") == "S3Object" and source.get("CompressionType") == "Gzip":
        return source["S3Uri"]
    raise AwsError(
        "ValidationException",
        "The local cloud takes a ModelDataSource only as one gzip archive (S3Object).",
    )


def primary_container(model: dict[str, Any]) -> dict[str, Any]:
    """The one container of a model. Raises AwsError for a pipeline of several."""
    containers = model.get("Containers") or []
    if len(containers) > 1:
        raise AwsError(
            "ValidationException",
            "The local cloud runs one container a model, not an inference pipeline.",
        )
    return model.get("PrimaryContainer") or (containers[0] if containers else {})


def split_s3_url(url: str) -> tuple[str, str]:
    """(bucket, key) of s3://bucket/key. Raises ModelDataError."""
    bucket, key = split_prefix(url)
    if not url.startswith("s3://") or not bucket or not key:
        raise ModelDataError(f"{url} is not the URL of an object (s3://bucket/key).")
    return bucket, key


def check_exists(cloud_url: str, url: str) -> None:
    """Raise ModelDataError where there is no such object."""
    bucket, key = split_s3_url(url)
    try:
        aws_client("s3", cloud_url).head_object(Bucket=bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        raise ModelDataError(f"Could not find model data at {url}.") from error


def fetch(cloud_url: str, url: str, archive: Path) -> None:
    """Download the archive. Raises ModelDataError."""
    bucket, key = split_s3_url(url)
    try:
        aws_client("s3", cloud_url).download_file(bucket, key, str(archive))
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        raise ModelDataError(f"Failed to download {url}: {error}") from error


def unpack(archive: Path, target: Path) -> None:
    """Unpack a .tar.gz into `target`, which appears whole or not at all.

    Links and names that lead out of the folder, devices, archives larger than a model can be
    (tarfile's "data" filter, PEP 706) and damaged ones are refused. Raises ModelDataError.
    """
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        with gzip.open(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                _extract(tar, partial)
            _read_to_the_end(stream)
        partial.rename(target)
    except _DAMAGED as error:
        raise ModelDataError(
            f"The archive cannot be unpacked (is it a .tar.gz?): {error}"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    total_bytes = 0
    for number, member in enumerate(tar, start=1):
        total_bytes += member.size
        if number > MAX_FILES or total_bytes > MAX_UNPACKED_BYTES:
            raise ModelDataError(
                f"The archive holds more than {MAX_FILES} files or {MAX_UNPACKED_BYTES} bytes."
            )
        tar.extract(member, folder, filter="data")


def _read_to_the_end(stream: gzip.GzipFile) -> None:
    """Raise one of _DAMAGED where the archive goes on after its last member, or has another
    checksum than gzip wrote.

    tarfile takes a damaged header for the end, and stops before the checksum.
    """
    while block := stream.read(_BLOCK_BYTES):
        if any(block):
            raise tarfile.ReadError("it is damaged: after its last file comes what is none")
