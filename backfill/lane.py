"""The two stacks of a back-fill: the classifier's with its second queue, and the one beside it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.jobs.errors import CommandError, UsageError
from training.jobs.stack import ROOT, described, outputs_of, parameters_of, required

Clients = Callable[[str], Any]
# What the stack beside is made of.
_SOURCES = (ROOT / "backfill" / "template.yaml", ROOT / "functions" / "lister")


@dataclass(frozen=True)
class Lane:
    """What the classifier's stack says of itself. `source` is a bucket that it may read besides."""

    stack: str
    bucket: str
    table: str
    endpoint: str
    queue_url: str
    dead_letter_queue_url: str
    source: str
    concurrency: int
    live_concurrency: int
    instance_type: str  # empty for an endpoint of somebody else's, or without instances

    @property
    def own_stack(self) -> str:
        return f"{self.stack}-backfill"


def look(clients: Clients, name: str) -> Lane:
    """Raises UsageError where there is no such stack, or one of an earlier template."""
    stack = required(clients("cloudformation"), name)
    outputs = outputs_of(stack)
    given = parameters_of(stack)
    if "BackfillQueueUrl" not in outputs:
        raise UsageError(
            f"Stack {name} has no queue for back-fills: it is of an earlier template, or not ready "
            f"({stack['StackStatus']}). `make build stack STACK={name}` brings it up to date."
        )
    on_instances = not given.get("EndpointName") and given.get("ServerlessMemoryMB", "0") == "0"
    return Lane(
        name,
        bucket=outputs["BucketName"],
        table=outputs["TableName"],
        endpoint=outputs["EndpointName"],
        queue_url=outputs["BackfillQueueUrl"],
        dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
        source=given.get("BackfillBucket", ""),
        concurrency=int(given.get("BackfillConcurrency", 2)),
        live_concurrency=int(given.get("MaxConcurrency", 8)),
        instance_type=given.get("InstanceType", "") if on_instances else "",
    )


def check_may_read(lane: Lane, bucket: str, prefix: str) -> None:
    """Raises UsageError with the words that mend it."""
    if bucket == lane.bucket:
        if not prefix.startswith("uploads/"):
            raise UsageError(
                f"FROM=s3://{bucket}/{prefix}: of its own bucket the stack reads what is below "
                f"uploads/. Say FROM=s3://{bucket}/uploads/"
            )
    elif bucket != lane.source:
        instead = f" (it may read {lane.source} now, which it then may no longer)"
        raise UsageError(
            f"Stack {lane.stack} may not read s3://{bucket}{instead if lane.source else ''}. "
            f"To allow it: make build stack STACK={lane.stack} PARAMETERS=BackfillBucket={bucket}\n"
            "A bucket of another account also has to allow it in its policy, and a key of KMS in "
            "its key policy, to the stack's roles ClassifyRole (s3:GetObject, kms:Decrypt) and, of "
            f"the stack {lane.own_stack}, ListerRole (s3:ListBucket)."
        )


def machine(clients: Clients, lane: Lane) -> str | None:
    """ARN of the state machine of jobs; None before the first job."""
    stack = described(clients("cloudformation"), lane.own_stack)
    if stack is None:
        return None
    return outputs_of(stack).get("StateMachineArn")


def deploy(clients: Clients, lane: Lane) -> str:
    """ARN of the state machine, of a stack that is deployed unless it is up to date.

    Raises CommandError.
    """
    stack = described(clients("cloudformation"), lane.own_stack)
    wanted = {
        "PredictionsTable": lane.table,
        "Bucket": lane.bucket,
        "QueueUrl": lane.queue_url,
        "QueueName": lane.queue_url.rsplit("/", 1)[1],
        "SourceBucket": lane.source,
        "Release": _release(),
    }
    given = parameters_of(stack) if stack else {}
    ready = stack is not None and stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    if not ready or any(given.get(name) != value for name, value in wanted.items()):
        _make(lane.own_stack, wanted)
    found = machine(clients, lane)
    if found is None:
        raise CommandError(f"Stack {lane.own_stack} has no state machine; its events say why.")
    return found


def sources() -> Iterator[Path]:
    """The files that the stack is made of."""
    for source in _SOURCES:
        files = [source] if source.is_file() else sorted(source.rglob("*"))
        yield from (path for path in files if path.is_file() and "__pycache__" not in path.parts)


def _release() -> str:
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(stack: str, parameters: dict[str, str]) -> None:
    # In quotes that outlive the recipe's shell: sam takes an empty value in no other way.
    words = " ".join(rf"{name}=\"{value}\"" for name, value in parameters.items())
    command = ["make", "--no-print-directory", "backfill-stack", f"STACK={stack}"]
    ended = subprocess.run(
        [*command, f"PARAMETERS={words}"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False
    )
    if ended.returncode != 0:
        raise CommandError(f"Stack {stack} could not be deployed; the last lines above say why.")
