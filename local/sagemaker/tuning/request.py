"""A tuning job's request: what it must have, and the training job that a trial becomes."""

from __future__ import annotations

import uuid
from typing import Any

from local.errors import AwsError
from local.sagemaker.jobs import checks
from local.sagemaker.tuning import ranges

# Members of a training job definition that are those of a training job.
_SHARED = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "RetryStrategy",
    "Environment",
)
# AWS hands the objective's name to every trial; the toolkit does not pass it on to the script.
_METRIC_HYPERPARAMETER = "_tuning_objective_metric"
_DEFAULT_JOBS = 500  # with a completion criterion and no limit of its own


def training_job(tuning: dict[str, Any], number: int, values: dict[str, str]) -> dict[str, Any]:
    """The CreateTrainingJob request of trial `number` (from 1)."""
    definition = tuning["TrainingJobDefinition"]
    name = f"{tuning['HyperParameterTuningJobName']}-{number:03d}-{uuid.uuid4().hex[:8]}"
    objective = tuning["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    request = {member: definition[member] for member in _SHARED if member in definition}
    request["TrainingJobName"] = name
    request["HyperParameters"] = {
        **definition.get("StaticHyperParameters", {}),
        _METRIC_HYPERPARAMETER: objective["MetricName"],
        **values,
    }
    if checkpoints := definition.get("CheckpointConfig"):
        # One trial must not go on from another's checkpoints.
        own = f"{checkpoints['S3Uri'].rstrip('/')}/{name}"
        request["CheckpointConfig"] = {**checkpoints, "S3Uri": own}
    return request


def max_jobs(config: dict[str, Any]) -> int:
    """How many training jobs a tuning job may start."""
    limit: int | None = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    return _DEFAULT_JOBS if limit is None else limit


def check(params: dict[str, Any]) -> None:
    """Raise AwsError for what the local cloud cannot do, or what AWS would refuse."""
    checks.refuse(params, ("TrainingJobDefinitions", "Autotune"))
    config = params["HyperParameterTuningJobConfig"]
    definition = params.get("TrainingJobDefinition")
    if definition is None:
        raise checks.invalid("The local cloud needs a TrainingJobDefinition.")
    checks.refuse(
        definition,
        ("TuningObjective", "HyperParameterRanges", "HyperParameterTuningResourceConfig"),
        "in TrainingJobDefinition ",
    )
    _check_objective(config, definition)
    found = ranges.parse(config.get("ParameterRanges", {}))
    static = definition.get("StaticHyperParameters", {})
    for one in found:
        if one.name in static:
            raise checks.invalid(f"{one.name} is both a static hyperparameter and a range.")
    _check_strategy(config, found)
    _check_limits(config)
    checks.check_job(training_job(params, 1, {}))


def _check_objective(config: dict[str, Any], definition: dict[str, Any]) -> None:
    objective = config.get("HyperParameterTuningJobObjective")
    if objective is None:
        raise checks.invalid("A custom algorithm needs a HyperParameterTuningJobObjective.")
    metrics = definition["AlgorithmSpecification"].get("MetricDefinitions", [])
    if objective["MetricName"] not in [metric["Name"] for metric in metrics]:
        raise checks.invalid(
            f"The objective metric {objective['MetricName']} is not in MetricDefinitions."
        )


def _check_strategy(config: dict[str, Any], found: list[ranges.Range]) -> None:
    strategy = config["Strategy"]
    if strategy == "Grid":
        size = 1
        for one in ranges.grid(found):
            size *= len(one.values)
        limit = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", size)
        if limit != size:
            raise checks.invalid(
                f"MaxNumberOfTrainingJobs is {limit}, but the grid has {size} combinations. Leave "
                "it out."
            )
    if strategy != "Hyperband":
        if config.get("StrategyConfig"):
            raise checks.invalid("StrategyConfig is only for the Hyperband strategy.")
        return
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise checks.invalid(
            "TrainingJobEarlyStoppingType must be Off with the Hyperband strategy, which stops "
            "jobs itself."
        )
    least, greatest = hyperband_resources(config)
    if greatest is not None and greatest <= least:
        raise checks.invalid("MaxResource of Hyperband must be greater than its MinResource.")


def hyperband_resources(config: dict[str, Any]) -> tuple[int, int | None]:
    """Hyperband's least and greatest resource."""
    asked = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    return asked.get("MinResource", 1), asked.get("MaxResource")


def _check_limits(config: dict[str, Any]) -> None:
    criteria = config.get("TuningJobCompletionCriteria", {})
    convergence = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence", "Disabled")
    if convergence == "Enabled":
        raise AwsError(
            "ValidationException",
            "The local cloud does not support ConvergenceDetected. Use BestObjectiveNotImproving.",
        )
    limited = "MaxNumberOfTrainingJobs" in config["ResourceLimits"] or config["Strategy"] == "Grid"
    if not limited and not criteria:
        raise checks.invalid(
            "ResourceLimits needs MaxNumberOfTrainingJobs, or the job TuningJobCompletionCriteria."
        )
