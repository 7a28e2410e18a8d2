"""The features job: the backbone runs once over the data set, and every trial shares what it made.

What the features depend on is hashed into the job's name, so an identical job that has completed
is found again and nothing is computed twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from botocore.exceptions import ClientError

from training.jobs import follow
from training.jobs.channels import UploadedData, split_uri
from training.jobs.config import FEATURE_HYPERPARAMETERS, Config
from training.jobs.definition import JobDefinition, Place, job_name, training_request
from training.jobs.follow import Say
from training.jobs.source import SourceArchive


class Aws(Protocol):
    """The part of training.jobs.sdk.Sdk that is needed here."""

    def client(self, service: str) -> Any:
        """A boto3 client."""

    def start_training(self, request: Mapping[str, Any]) -> None:
        """CreateTrainingJob."""


def key(config: Config, data: UploadedData, code: SourceArchive, place: Place) -> str:
    """Twelve hex digits of everything that decides the features: a changed plot is none of it."""
    chosen = {k: v for k, v in config.hyperparameters.items() if k in FEATURE_HYPERPARAMETERS}
    made_of = [code.features_digest, place.image, place.weights and place.weights.version]
    text = json.dumps([chosen, data.digest, *made_of], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def ensure(
    aws: Aws, config: Config, place: Place, data: UploadedData, code: SourceArchive, say: Say
) -> str | None:
    """S3 URI of the features, computed unless they are there; None where trials cannot share any.

    Raises CommandError when the job fails.
    """
    if not config.shares_features:
        say("the backbone is trained or tuned: no shared features, every job computes its own")
        return None
    sagemaker, digest = aws.client("sagemaker"), key(config, data, code, place)
    name = _existing(sagemaker, aws.client("s3"), digest)
    if name:
        say(f"features of {name}: same backbone, views, data and code")
    else:
        name = job_name(config.jobs.name, f"features-{digest}")
        say(f"features job {name}: the backbone runs once over {data.objects} objects")
        hyperparameters = {**config.hyperparameters, "features-only": "true"}
        earlier = _earlier(sagemaker, aws.client("s3"), config.jobs.name)
        if earlier:
            say(f"photos that {earlier} has seen are not computed again")
        job = JobDefinition(
            name, hyperparameters, {"data": data.uri} | ({"features": earlier} if earlier else {})
        )
        aws.start_training(training_request(job, place, config.jobs))
    ended = follow.to_the_end(sagemaker, aws.client("logs"), name, say)
    return str(ended["ModelArtifacts"]["S3ModelArtifacts"])


def _existing(sagemaker: Any, s3: Any, digest: str) -> str | None:
    """Name of an identical job that has completed, with its output still there, or that runs."""
    for status in ("Completed", "InProgress"):
        found = sagemaker.list_training_jobs(
            NameContains=f"-features-{digest}-",
            StatusEquals=status,
            SortBy="CreationTime",
            SortOrder="Descending",
        )["TrainingJobSummaries"]
        for name in [summary["TrainingJobName"] for summary in found]:
            if status == "InProgress" or _has_output(sagemaker, s3, name):
                return str(name)
    return None


def _earlier(sagemaker: Any, s3: Any, project: str) -> str | None:
    """Features of the newest earlier job, of whatever data set: the job takes what fits."""
    found = sagemaker.list_training_jobs(
        NameContains=f"{project}-features-",
        StatusEquals="Completed",
        SortBy="CreationTime",
        SortOrder="Descending",
    )["TrainingJobSummaries"]
    for name in [summary["TrainingJobName"] for summary in found]:
        if _has_output(sagemaker, s3, name):
            return _artifacts(sagemaker, name)
    return None


def _artifacts(sagemaker: Any, name: str) -> str:
    ended = sagemaker.describe_training_job(TrainingJobName=name)
    return str(ended["ModelArtifacts"]["S3ModelArtifacts"])


def _has_output(sagemaker: Any, s3: Any, name: str) -> bool:
    bucket, object_key = split_uri(_artifacts(sagemaker, name))
    try:
        s3.head_object(Bucket=bucket, Key=object_key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound", "NoSuchBucket"):
            return False
        raise
    return True
