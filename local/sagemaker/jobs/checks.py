"""What a request for a training job must not ask for here: better refused than ignored.

Some members change nothing on a laptop and are taken and shown again: the image, the instances'
type, keys, subnets and roles, tags, experiments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.errors import AwsError
from local.sagemaker.jobs import start
from local.sagemaker.jobs.files import JobFiles
from local.sagemaker.jobs.observed import definitions
from local.sagemaker.jobs.outputs import DEFAULT_LOCAL_PATH
from local.sagemaker.jobs.record import DEFAULT_MAX_RUNTIME_S, interruptions
from local.settings import Settings

# Members with a value that says "not asked for" are fine, so that explicit defaults pass.
_REFUSED = (
    "TensorBoardOutputConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
    "EnableNetworkIsolation",
    "RemoteDebugConfig.EnableRemoteDebug",
    "InfraCheckConfig.EnableInfraCheck",
    "SessionChainingConfig.EnableSessionTagChaining",
    "AlgorithmSpecification.AlgorithmName",
    "AlgorithmSpecification.ContainerEntrypoint",
    "AlgorithmSpecification.ContainerArguments",
    "ResourceConfig.InstanceGroups",
    "ResourceConfig.InstancePreferences",
    "ResourceConfig.InstancePlacementConfig",
    "ResourceConfig.TrainingPlanArn",
    "ResourceConfig.KeepAlivePeriodInSeconds",
    "StoppingCondition.MaxPendingTimeInSeconds",
)
# Each is a training process of its own on this machine.
MAX_HOSTS = 8
_REFUSED_IN_CHANNEL = (
    "DataSource.FileSystemDataSource",
    "DataSource.DatasetSource",
    "DataSource.S3DataSource.AttributeNames",
    "DataSource.S3DataSource.InstanceGroupNames",
    "DataSource.S3DataSource.ModelAccessConfig",
    "DataSource.S3DataSource.HubAccessConfig",
    "ShuffleConfig",
)


def check_environment(settings: Settings) -> None:
    """Raise AwsError where there is nothing to run a job with."""
    train = settings.job_python.parent / "train"
    if not train.exists():
        raise invalid(
            f"The local cloud has no environment for training jobs: {train} (the in-container "
            "toolkit) is not there. Build it with `make setup`, or start the cloud with "
            "--job-python."
        )


def check_job(params: dict[str, Any]) -> None:
    """Raise AwsError for what the local cloud cannot do, or what AWS would refuse."""
    refuse(params, _REFUSED)
    _check_program(params.get("HyperParameters", {}))
    _check_resources(params.get("ResourceConfig", {}))
    _check_inputs(params)
    _check_stopping(params)
    _check_local_paths(params)
    definitions(params["AlgorithmSpecification"].get("MetricDefinitions", []))
    interruptions(params)


def invalid(words: str) -> AwsError:
    return AwsError("ValidationException", words)


def refuse(params: Mapping[str, Any], members: tuple[str, ...], where: str = "") -> None:
    """Raise AwsError for the first of `members` ("A.B" for B in A) that has a value."""
    for member in members:
        value: Any = params
        for name in member.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value:
            raise invalid(f"The local cloud does not support {where}{member}. Leave it out.")


def _check_program(hyperparameters: dict[str, str]) -> None:
    for name in (start.PROGRAM, start.ARCHIVE):
        if not start.text(hyperparameters, name):
            raise invalid(
                "The local cloud runs a job in the form of the in-container toolkit: "
                f"HyperParameters must have {start.PROGRAM} (the script) and {start.ARCHIVE} "
                f"(s3://.../sourcedir.tar.gz); {name} is missing."
            )
    archive = start.text(hyperparameters, start.ARCHIVE)
    if not start.is_acceptable(archive):
        raise invalid(
            f"{start.ARCHIVE} {archive!r} is neither s3://... nor below /opt/ml/input/data."
        )


def _check_resources(config: dict[str, Any]) -> None:
    if "InstanceType" not in config:
        raise invalid("The local cloud needs an InstanceType in ResourceConfig.")
    count = config.get("InstanceCount", 1)
    if count > MAX_HOSTS:
        raise invalid(f"The local cloud runs at most {MAX_HOSTS} hosts a job, not {count}.")


def _check_inputs(params: dict[str, Any]) -> None:
    default_mode = params["AlgorithmSpecification"]["TrainingInputMode"]
    names = [channel["ChannelName"] for channel in params.get("InputDataConfig", [])]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"Duplicate channel name {name} in InputDataConfig.")
    for channel in params.get("InputDataConfig", []):
        name = channel["ChannelName"]
        refuse(channel, _REFUSED_IN_CHANNEL, f"in channel {name} ")
        data = channel["DataSource"].get("S3DataSource")
        if data is None or data["S3DataType"] != "S3Prefix":
            raise invalid(f"The local cloud takes only an S3Prefix; channel {name} has none.")
        for member in ("CompressionType", "RecordWrapperType"):
            if channel.get(member, "None") != "None":
                raise invalid(f"The local cloud does not support {member} (channel {name}).")
        if channel.get("InputMode", default_mode) == "Pipe":
            raise invalid(f"The local cloud does not support Pipe mode (channel {name}).")


def _check_stopping(params: dict[str, Any]) -> None:
    limits = params.get("StoppingCondition", {})
    runtime_s = limits.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S)
    wait_s = limits.get("MaxWaitTimeInSeconds")
    if not params.get("EnableManagedSpotTraining"):
        if wait_s is not None:
            raise invalid(
                "MaxWaitTimeInSeconds above 0 is not supported when EnableManagedSpotTraining is "
                "false."
            )
    elif wait_s is None or wait_s < runtime_s:
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds."
        )


def _check_local_paths(params: dict[str, Any]) -> None:
    files = JobFiles(Path())  # wherever it will be
    for member in ("CheckpointConfig", "DebugHookConfig"):
        files.local(params.get(member, {}).get("LocalPath", DEFAULT_LOCAL_PATH))
