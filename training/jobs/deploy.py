"""`deploy`: put a trained model package into the stack, on AWS or on the local cloud.

A new model is a new Model and a new EndpointConfig under the same endpoint: SageMaker starts the
new fleet beside the old one, moves the traffic, and moves it back when the new fleet's error or
latency alarm rings (see DeploymentConfig in template.yaml). No request is dropped on the way.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from rich.console import Console

from training.jobs import artefacts, governance, stack
from training.jobs.config import Config
from training.jobs.errors import CommandError, UsageError
from training.jobs.sdk import Sdk
from training.jobs.stack import Stack


def deploy(
    config: Config, model: str, name: str, parameters: str, why: str, console: Console
) -> Stack:
    """Deploy `model`, an S3 URI or a file (which is uploaded first), and record that it serves.

    Raises UsageError, CommandError.
    """
    sdk = Sdk(config.jobs)
    url = model if model.startswith("s3://") else _upload(sdk, config.jobs.name, Path(model))
    console.print(f"deploying {url} into stack {name}", markup=False, highlight=False)
    stack.deploy(name, url, parameters)
    deployed = stack.look(sdk.client("cloudformation"), name)
    served = stack.served_model(sdk.client("sagemaker"), deployed.endpoint)
    if served != url:
        raise CommandError(
            f"The endpoint {deployed.endpoint} serves {served}, not {url}: the update was rolled "
            "back. `aws sagemaker describe-endpoint` gives the reason, the alarms "
            f"{name}-new-fleet-errors-... and {name}-new-fleet-latency-... what triggered it."
        )
    console.print(f"endpoint {deployed.endpoint} serves {served}", markup=False, highlight=False)
    governance.record(sdk.client, deployed, served, why)
    return deployed


def _upload(sdk: Sdk, project: str, package: Path) -> str:
    """A key of its own for every content: SageMaker does not notice a changed object."""
    if not package.is_file():
        raise UsageError(f"{package}: no such file. MODEL= wants a model.tar.gz or its S3 URI.")
    artefacts.read_manifest(package)
    with package.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    # Beside the training jobs' own packages: the endpoint's role may read this one folder.
    key = f"{project}/jobs/packages/{digest}/{artefacts.MODEL}"
    sdk.client("s3").upload_file(str(package), sdk.bucket, key)
    return f"s3://{sdk.bucket}/{key}"
