"""What a job finds when it starts: the files of /opt/ml/input/config and its environment variables,
as SageMaker's documentation has them ("How Amazon SageMaker Provides Training Information").

One difference: the host is called localhost, not algo-1, because the toolkit waits until it can
resolve the name.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from local.sagemaker.jobs.layout import Layout
from local.settings import ACCESS_KEY, SECRET_KEY, Settings, container_environment
from local.store import Record

TOOLKIT_MODULE = "sagemaker_pytorch_container.training:main"
_HOST = "localhost"
_GROUP = "homogeneousCluster"  # SageMaker's own name for the only group


def write_config(record: Record, layout: Layout) -> None:
    """input/config/*.json."""
    _write(layout.config / "hyperparameters.json", record.get("HyperParameters", {}))
    _write(layout.config / "resourceconfig.json", _resources(record["ResourceConfig"]))
    channels = record.get("InputDataConfig", [])
    _write(
        layout.config / "inputdataconfig.json",
        {channel["ChannelName"]: _channel(channel, record) for channel in channels},
    )
    if hook := record.get("DebugHookConfig"):
        local_path = layout.local(hook["LocalPath"]) if "LocalPath" in hook else layout.tensors
        _write(layout.config / "debughookconfig.json", {**hook, "LocalPath": str(local_path)})
    if profiler := record.get("ProfilerConfig"):
        _write(
            layout.config / "profilerconfig.json", {**profiler, "LocalPath": str(layout.profiler)}
        )


def environment(
    settings: Settings, record: Record, layout: Layout, python: Path, threads: int | None
) -> dict[str, str]:
    """The variables of the job's process; the request's own come last and win."""
    inherited = container_environment(os.environ)
    own = [str(python.parent), str(settings.job_python.parent), inherited.get("PATH", os.defpath)]
    variables = inherited | {
        "PATH": os.pathsep.join(own),
        "SAGEMAKER_BASE_DIR": str(layout.ml),
        "SAGEMAKER_TRAINING_MODULE": TOOLKIT_MODULE,
        "SAGEMAKER_REGION": inherited["AWS_REGION"],
        "TRAINING_JOB_NAME": record["TrainingJobName"],
        "TRAINING_JOB_ARN": record["TrainingJobArn"],
        "AWS_ENDPOINT_URL": settings.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    if threads is not None:
        variables["OMP_NUM_THREADS"] = str(threads)
    if record.get("DebugHookConfig"):
        variables["SMDEBUG_CONFIG_FILE_PATH"] = str(layout.config / "debughookconfig.json")
    asked: dict[str, str] = record.get("Environment", {})
    return variables | asked


def _resources(config: dict[str, Any]) -> dict[str, Any]:
    instance_type = config["InstanceType"]
    group = {
        "instance_group_name": _GROUP,
        "instance_type": instance_type,
        "hosts": [_HOST],
    }
    return {
        "current_host": _HOST,
        "hosts": [_HOST],
        "network_interface_name": "lo",
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "instance_groups": [group],
    }


def _channel(channel: dict[str, Any], record: Record) -> dict[str, str]:
    facts = {
        "TrainingInputMode": channel.get("InputMode")
        or record["AlgorithmSpecification"]["TrainingInputMode"],
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
            "S3DataDistributionType", "FullyReplicated"
        ),
        "RecordWrapperType": "None",
    }
    return facts | ({"ContentType": channel["ContentType"]} if "ContentType" in channel else {})


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content))
