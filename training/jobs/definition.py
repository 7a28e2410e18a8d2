"""What a training job is asked to be: the request of CreateTrainingJob, as a dictionary.

The toolkit form of a job: two hyperparameters name the source archive and the program in it, and
AWS's in-container toolkit does the rest. It obeys SAGEMAKER_BASE_DIR, which the drivers that
ModelTrainer would add do not.
"""

from __future__ import annotations

import random
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.jobs.channels import WeightsChannel
from training.jobs.config import JobSettings, checked_hyperparameter
from training.jobs.source import PROGRAM
from training.metric_lines import METRIC_DEFINITIONS

_SUFFIX = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Place:
    """Where jobs run and what they start from: S3 URIs without a slash at the end.

    `weights` is None where the backbone brings its own.
    """

    image: str
    role: str
    source: str
    output: str
    weights: WeightsChannel | None = None

    def channels(self, own: Mapping[str, str], input_mode: str) -> list[dict[str, Any]]:
        """A job's own input channels (S3 URIs by name) and the one that all jobs share.

        `input_mode` is that of the photos, the channel `data`; the others are a file each.
        """
        uris = {**own, "weights": self.weights.uri} if self.weights else own
        return channels(uris, {"data": input_mode})


@dataclass(frozen=True)
class JobDefinition:
    """One training job in our own terms. `channels` are S3 URIs by name, of an object or, with a
    slash at the end, of a folder: without one, photos/data is photos/data-old/ as well.

    `extras` is merged into the request as it is: the managed Debugger's part of it.
    """

    name: str
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, str]
    spot: bool = False
    extras: Mapping[str, Any] = field(default_factory=dict)


def job_name(project: str, kind: str) -> str:
    """`breeds-train-251122-164231-k3x`: readable, in order of time, and never the same twice."""
    suffix = "".join(random.choices(_SUFFIX, k=3))
    return f"{project}-{kind}-{time.strftime('%y%m%d-%H%M%S', time.gmtime())}-{suffix}"


def metric_definitions() -> list[dict[str, str]]:
    """What SageMaker reads from the log."""
    return [{"Name": name, "Regex": regex} for name, regex in METRIC_DEFINITIONS.items()]


def script_mode(
    hyperparameters: Mapping[str, str], source: str, instances: int = 1
) -> dict[str, str]:
    """The script's hyperparameters and those that the toolkit wants beside them.

    For several instances that is what `distribution={"torch_distributed": {"enabled": True}}` was
    in version 2 of the SDK: the toolkit starts torchrun on each.
    Raises UsageError for one that would not arrive as it is.
    """
    for name, value in hyperparameters.items():
        checked_hyperparameter(name, value)
    together = {"sagemaker_torch_distributed_enabled": "true"} if instances > 1 else {}
    return {
        **hyperparameters,
        **together,
        "sagemaker_program": PROGRAM,
        "sagemaker_submit_directory": source,
    }


def channels(uris: Mapping[str, str], modes: Mapping[str, str]) -> list[dict[str, Any]]:
    """One input channel a URI; everything below the URI comes along, to every instance.

    `modes` by channel; a channel that has none is read in the job's own mode, File.
    """
    return [
        {
            "ChannelName": name,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": uri,
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
            **({"InputMode": modes[name]} if modes.get(name, "File") != "File" else {}),
        }
        for name, uri in uris.items()
    ]


def training_request(job: JobDefinition, place: Place, settings: JobSettings) -> dict[str, Any]:
    """The whole request of CreateTrainingJob."""
    stopping = {"MaxRuntimeInSeconds": settings.max_runtime_s}
    request: dict[str, Any] = {
        "TrainingJobName": job.name,
        "RoleArn": place.role,
        "AlgorithmSpecification": {
            "TrainingImage": place.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": metric_definitions(),
        },
        "HyperParameters": script_mode(job.hyperparameters, place.source, settings.instance_count),
        "InputDataConfig": place.channels(job.channels, settings.input_mode),
        "OutputDataConfig": {"S3OutputPath": place.output},
        "ResourceConfig": {
            "InstanceType": settings.instance_type,
            "InstanceCount": settings.instance_count,
            "VolumeSizeInGB": settings.volume_gb,
        },
        "StoppingCondition": stopping,
    }
    if settings.instance_count > 1:
        # Features and gradients travel between the instances, and not in clear.
        request["EnableInterContainerTrafficEncryption"] = True
    if job.spot:
        request["EnableManagedSpotTraining"] = True
        # SageMaker copies /opt/ml/checkpoints there and back when it interrupts the job.
        request["CheckpointConfig"] = {"S3Uri": f"{place.output}/{job.name}/checkpoints"}
        stopping["MaxWaitTimeInSeconds"] = settings.max_wait_s
    return request | dict(job.extras)
