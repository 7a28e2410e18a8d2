"""The deployed stack: brought up to a model with `sam deploy`, looked at with boto3."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import CommandError, UsageError

ROOT = Path(__file__).resolve().parents[2]
# The template's notification filter.
PREFIX = "uploads/"


@dataclass(frozen=True)
class Stack:
    """What the stack's outputs name."""

    name: str
    bucket: str
    table: str
    endpoint: str
    queue_url: str
    dead_letter_queue_url: str
    deployments: str = ""  # the table; empty for a stack of an earlier template


def look(cloudformation: Any, name: str) -> Stack:
    """The stack as it is deployed. Raises UsageError when there is none."""
    stack = required(cloudformation, name)
    outputs = outputs_of(stack)
    try:
        return Stack(
            name,
            bucket=outputs["BucketName"],
            table=outputs["TableName"],
            endpoint=outputs["EndpointName"],
            queue_url=outputs["QueueUrl"],
            dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
            deployments=outputs.get("DeploymentsTableName", ""),
        )
    except KeyError as error:
        raise CommandError(
            f"Stack {name} is {stack['StackStatus']} and has no output {error.args[0]}. "
            "Its events say why: sam list stack-outputs, or CloudFormation's console."
        ) from error


def required(cloudformation: Any, name: str) -> dict[str, Any]:
    """CloudFormation's description of a stack. Raises UsageError when there is none."""
    stack = described(cloudformation, name)
    if stack is None:
        raise UsageError(f"There is no stack {name} here. `make deploy` makes it.")
    return stack


def described(cloudformation: Any, name: str) -> dict[str, Any] | None:
    """CloudFormation's description of a stack; None where there is none of the name."""
    try:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return found


def outputs_of(stack: Mapping[str, Any]) -> dict[str, str]:
    """The outputs of a described stack, by name; none while it is being made."""
    return {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}


def parameters_of(stack: Mapping[str, Any]) -> dict[str, str]:
    """The values that a described stack was made with, by name."""
    return {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}


def deploy(name: str, model_url: str, parameters: str) -> None:
    """`make build` and `make stack`: the template with this model, other parameters as they were.

    The tools print to our own output. Raises CommandError.
    """
    try:
        _make("build")
        put(name, f"ModelDataUrl={model_url} {parameters}" if model_url else parameters)
    except CommandError as error:
        raise CommandError(f"{error} An endpoint that is there keeps the model it had.") from error


def put(name: str, parameters: str, template: Path | None = None) -> None:
    """`make stack` alone: of what was built, or of a packaged `template`. Raises CommandError."""
    packaged = [f"TEMPLATE={template}"] if template else []
    _make("stack", f"STACK={name}", *packaged, f"PARAMETERS={parameters}")


def _make(*arguments: str) -> None:
    command = ["make", "--no-print-directory", *arguments]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    if ended.returncode != 0:
        raise CommandError(
            f"`{' '.join(command)}` ended with exit code {ended.returncode}; its last lines "
            "above say why."
        )


def served_model(sagemaker: Any, endpoint: str) -> str:
    """ModelDataUrl of the model that the endpoint serves now."""
    return str(served_container(sagemaker, endpoint)["ModelDataUrl"])


def served_container(sagemaker: Any, endpoint: str) -> dict[str, Any]:
    """PrimaryContainer of the model that the endpoint serves now."""
    config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    model = sagemaker.describe_model(ModelName=variants[0]["ModelName"])
    container: dict[str, Any] = model["PrimaryContainer"]
    return container
