"""What a job finds when it starts: the script's code, the files of /opt/ml/input/config, and its
variables, as in "How Amazon SageMaker Provides Training Information".

What differs from AWS: the code is unpacked before the toolkit starts, which then neither downloads
it nor runs `pip install -r requirements.txt` over it; requirements.txt is not in the code folder
while the script runs; and hosts have other names than algo-1 and algo-2, because the toolkit waits
until it can resolve them: localhost where there is one, else 127.0.0.1, 127.0.0.2 and so on. The
toolkit's torchrun meets at a port of the job's own: see torchrun.py.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from local.sagemaker import package
from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.files import JobFiles
from local.sagemaker.jobs.inputs import input_mode
from local.sagemaker.package import ModelDataError
from local.settings import ACCESS_KEY, SECRET_KEY, Settings, container_environment
from local.store import Record

TOOLKIT_MODULE = "sagemaker_pytorch_container.training:main"
_ONLY_HOST = "localhost"
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
_GROUP = "homogeneousCluster"  # SageMaker's own name for the only group


def write_config(record: Record, files: JobFiles, rank: int) -> None:
    """input/config/*.json of one host."""
    _write(files.config / "hyperparameters.json", record.get("HyperParameters", {}))
    _write(files.config / "resourceconfig.json", _resources(record["ResourceConfig"], rank))
    channels = record.get("InputDataConfig", [])
    _write(
        files.config / "inputdataconfig.json",
        {channel["ChannelName"]: _channel(channel, record) for channel in channels},
    )
    if hook := record.get("DebugHookConfig"):
        local_path = files.local(hook["LocalPath"]) if "LocalPath" in hook else files.tensors
        _write(files.config / "debughookconfig.json", {**hook, "LocalPath": str(local_path)})
    if profiler := record.get("ProfilerConfig"):
        _write(files.config / "profilerconfig.json", {**profiler, "LocalPath": str(files.profiler)})


def environment(
    settings: Settings, record: Record, files: JobFiles, python: Path, threads: int | None
) -> dict[str, str]:
    """The variables of the job's process; the request's own come last and win."""
    inherited = container_environment(os.environ)
    own = [
        str(files.programs),
        str(python.parent),
        str(settings.job_python.parent),
        inherited.get("PATH", os.defpath),
    ]
    variables = inherited | {
        "PATH": os.pathsep.join(own),
        "SAGEMAKER_BASE_DIR": str(files.ml),
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
        variables["SMDEBUG_CONFIG_FILE_PATH"] = str(files.config / "debughookconfig.json")
    asked: dict[str, str] = record.get("Environment", {})
    return variables | asked


def _resources(config: dict[str, Any], rank: int) -> dict[str, Any]:
    instance_type = config["InstanceType"]
    count = config.get("InstanceCount", 1)
    hosts = [f"127.0.0.{at + 1}" for at in range(count)] if count > 1 else [_ONLY_HOST]
    group = {
        "instance_group_name": _GROUP,
        "instance_type": instance_type,
        "hosts": hosts,
    }
    return {
        "current_host": hosts[rank],
        "hosts": hosts,
        "network_interface_name": _LOOPBACK,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "instance_groups": [group],
    }


def _channel(channel: dict[str, Any], record: Record) -> dict[str, str]:
    facts = {
        "TrainingInputMode": input_mode(channel, record),
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
            "S3DataDistributionType", "FullyReplicated"
        ),
        "RecordWrapperType": "None",
    }
    return facts | ({"ContentType": channel["ContentType"]} if "ContentType" in channel else {})


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content))


PROGRAM = "sagemaker_program"
ARCHIVE = "sagemaker_submit_directory"
_CHANNELS = PurePosixPath("/opt/ml/input/data")


def text(hyperparameters: dict[str, str], name: str) -> str:
    """A hyperparameter that is text: the SDK may have written it as JSON, the toolkit takes both.

    Empty where there is none.
    """
    value = hyperparameters.get(name, "")
    try:
        decoded: Any = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value


def install_code(cloud_url: str, hyperparameters: dict[str, str], files: JobFiles) -> None:
    """Fetch and unpack the archive into the code folder. Raises JobFailedError."""
    where = text(hyperparameters, ARCHIVE)
    fetched = files.home / "sourcedir.tar.gz"
    try:
        if where.startswith("s3://"):
            archive = fetched
            package.fetch(cloud_url, where, archive)
        else:
            archive = files.data / PurePosixPath(where).relative_to(_CHANNELS)
        package.unpack(archive, files.code)
    except ModelDataError as error:
        raise JobFailedError(f"ClientError: the source archive {where}: {error}") from error
    finally:
        fetched.unlink(missing_ok=True)
    program = text(hyperparameters, PROGRAM)
    if not (files.code / program).is_file():
        raise JobFailedError(
            f"ClientError: {program} ({PROGRAM}) is not in the source archive {where}."
        )
    if (files.code / "setup.py").exists():
        raise JobFailedError(
            "ClientError: the source archive has a setup.py, with which the toolkit would install "
            "it into the environment that the local jobs share. Leave it out."
        )
    requirements = files.code / "requirements.txt"
    if requirements.exists():
        requirements.rename(files.requirements)


def is_acceptable(where: str) -> bool:
    """Whether `install_code` knows how to fetch what `sagemaker_submit_directory` names."""
    path = PurePosixPath(where)
    inside = path.is_relative_to(_CHANNELS) and ".." not in path.parts
    return where.startswith("s3://") or inside
