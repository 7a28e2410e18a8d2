"""WarmStartConfig: what a tuning job takes over from its parents.

IdenticalDataAndAlgorithm: the parents' trials count as if this job had run them (only a Bayesian or
Hyperband search makes use of that, as on AWS). TransferLearning: their objectives are of other data
or another algorithm and cannot be compared, so each parent's best hyperparameters are tried first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.arns import region_of, sagemaker_arn
from local.errors import AwsError
from local.store import Record

IDENTICAL = "IdenticalDataAndAlgorithm"
ENDED = {"Completed", "Failed", "Stopped"}


def parents(tuning_jobs: Mapping[str, Record], params: Mapping[str, Any]) -> list[Record]:
    """The records that a request (or a record) names as parents. Raises AwsError."""
    config = params.get("WarmStartConfig")
    if config is None:
        return []
    if params["HyperParameterTuningJobConfig"]["Strategy"] == "Grid":
        raise _invalid("A grid search tries every combination: WarmStartConfig is not supported.")
    return [
        _parent(tuning_jobs, params, member.get("HyperParameterTuningJobName", ""))
        for member in config["ParentHyperParameterTuningJobs"]
    ]


def _parent(tuning_jobs: Mapping[str, Record], params: Mapping[str, Any], name: str) -> Record:
    arn = params.get("HyperParameterTuningJobArn")
    region = region_of(arn) if arn else None
    parent = tuning_jobs.get(sagemaker_arn("hyper-parameter-tuning-job", name, region))
    if parent is None:
        raise _invalid(f"The parent tuning job {name!r} was not found.")
    if parent["HyperParameterTuningJobStatus"] not in ENDED:
        status = parent["HyperParameterTuningJobStatus"]
        raise _invalid(f"The parent tuning job {name} is {status}; it must have ended.")
    ours, theirs = (
        one["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
        for one in (params, parent)
    )
    if is_identical(params) and ours != theirs:
        raise _invalid(f"The parent tuning job {name} has another objective: {theirs}.")
    return parent


def is_identical(params: Mapping[str, Any]) -> bool:
    return bool(params["WarmStartConfig"]["WarmStartType"] == IDENTICAL)


def _invalid(words: str) -> AwsError:
    return AwsError("ValidationException", words)
