"""The end of a stack: what costs and what holds data is listed, then deleted once it is asked for.

Photos, rows and reviews are somebody's work. They stay unless the caller says `DATA=delete`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from training.jobs.errors import CommandError, UsageError
from training.jobs.stack import ROOT, described

Clients = Callable[[str], Any]
# By the hour, by what is stored, or nothing but in the way of a new stack of the name.
Cost = Literal["by the hour", "by what it holds", "nothing"]
_KEYS_A_DELETE = 1000  # DeleteObjects' limit
# DeleteObjects sends keys as XML. XML has none of these, and one of them has the whole batch
# refused; a carriage return arrives as a line feed.
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Thing:
    """Something of the stack that is there. `delete` is None for what ends with its stack."""

    kind: str
    name: str
    holds: str
    cost: Cost
    data: bool = False
    delete: Callable[[Progress], None] | None = None


def destroy(
    clients: Clients,
    stack: str,
    data: bool,
    confirmed: Callable[[str], str],
    console: Console,
) -> None:
    """List, ask for the stack's name, delete.

    Args:
        clients: A boto3 client by the name of its service.
        stack: The classifier's stack; those of the page and of back-fills beside it go along.
        data: Whether what holds data goes as well.
        confirmed: Asks for a line of text.
        console: Where the list and the progress go.

    Raises:
        UsageError: there is nothing of that name, or another name was given.
        CommandError: something could not be deleted.
    """
    beside = (f"{stack}-page", f"{stack}-backfill", f"{stack}-drift")
    stacks = [name for name in (*beside, stack) if _there(clients, name)]
    things = list(_things(clients, stack))
    if not stacks and not things:
        raise UsageError(f"There is no stack {stack}, and nothing that one left behind.")
    _list(stacks, things, data, console)
    held = [thing.name for thing in things if thing.data]
    if data and held:
        question = f"All of it goes, with the data in {', '.join(held)}, and cannot come back."
    else:
        question = "The stacks go; what holds data stays."
    if confirmed(f"{question} Type the stack's name to go on: ").strip() != stack:
        raise UsageError("That is not the stack's name: nothing was deleted.")
    for name in stacks:
        _end(name)
    with Progress(console=console) as progress:
        # Read again: what a stack took along is no longer there.
        for thing in list(_things(clients, stack)):
            if thing.delete and (data or not thing.data):
                thing.delete(progress)
                console.print(f"deleted {thing.kind} {thing.name}", markup=False, highlight=False)
    left = [thing for thing in _things(clients, stack) if thing.cost != "nothing"]
    for thing in left:
        console.print(
            f"left: {thing.kind} {thing.name} ({thing.holds}), which costs {thing.cost}",
            markup=False,
            highlight=False,
        )
    if left and not data:
        console.print(f"make destroy STACK={stack} DATA=delete deletes these, too.")


def _list(stacks: Sequence[str], things: Sequence[Thing], data: bool, console: Console) -> None:
    table = Table("", "name", "holds", "costs", "goes")
    for name in stacks:
        table.add_row("stack", name, "", "", "yes")
    for thing in things:
        goes = "yes" if data or not thing.data else "no, without DATA=delete"
        table.add_row(thing.kind, thing.name, thing.holds, thing.cost, goes)
    console.print(table)


def _end(stack: str) -> None:
    """`sam delete`, which also deletes the zips that the stack's template names."""
    command = ["sam", "delete", "--no-prompts", "--stack-name", stack]
    if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise CommandError(
            f"`{' '.join(command)}` failed; the stack's events say why. Run this again: it goes on "
            "where it stopped."
        )


def _things(clients: Clients, stack: str) -> Iterator[Thing]:
    """Whatever there is under the stack's names, whether a stack still holds it or not."""
    yield from _endpoints(clients("sagemaker"), stack)
    yield from _bucket(clients, stack)
    yield from _tables(clients("dynamodb"), stack)
    yield from _registry(clients("sagemaker"), stack)
    yield from _models(clients("sagemaker"), stack)


def _there(clients: Clients, stack: str) -> bool:
    found = described(clients("cloudformation"), stack)
    return found is not None and found["StackStatus"] != "DELETE_COMPLETE"


def _endpoints(sagemaker: Any, stack: str) -> Iterator[Thing]:
    """By the template's names: the stack's own, with -serverless where it is that."""
    for name in (stack, f"{stack}-serverless"):
        endpoint = _or_none(sagemaker.describe_endpoint, EndpointName=name)
        if endpoint is None:
            continue
        variants = endpoint.get("ProductionVariants", [])
        count = sum(variant.get("CurrentInstanceCount", 0) for variant in variants)
        cost: Cost = "nothing" if name.endswith("-serverless") else "by the hour"
        yield Thing("endpoint", name, f"{count} instances", cost)


def _bucket(clients: Clients, stack: str) -> Iterator[Thing]:
    """By the template's names: -an where the region has namespaces of accounts.

    The list is of all regions, and another one may have a stack of this name.
    """
    s3 = clients("s3")
    account = clients("sts").get_caller_identity()["Account"]
    own = f"{stack}-uploads-{account}-{s3.meta.region_name}"
    for name in sorted({b["Name"] for b in s3.list_buckets()["Buckets"]} & {own, f"{own}-an"}):
        count, size = 0, 0
        for version in _versions(s3, name):
            count, size = count + 1, size + version.get("Size", 0)
        yield Thing(
            "bucket",
            name,
            f"{count:,} objects and old versions, {size / 1e9:.2f} GB",
            "by what it holds",
            data=True,
            delete=partial(_empty, s3, name, count),
        )


def _versions(s3: Any, bucket: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        yield from page.get("Versions", [])
        yield from page.get("DeleteMarkers", [])


def _empty(s3: Any, bucket: str, count: int, progress: Progress) -> None:
    task = progress.add_task(f"emptying {bucket}", total=count)
    batch: list[dict[str, str]] = []

    def send() -> None:
        if batch:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
            for failure in answer.get("Errors", []):
                raise CommandError(
                    f"s3://{bucket}/{failure['Key']} cannot be deleted: {failure.get('Message')}"
                )
            progress.advance(task, len(batch))
            batch.clear()

    for version in _versions(s3, bucket):
        named = {"Key": version["Key"], "VersionId": version["VersionId"]}
        if _NOT_IN_XML.search(named["Key"]):
            s3.delete_object(Bucket=bucket, **named)
            progress.advance(task)
            continue
        batch.append(named)
        if len(batch) == _KEYS_A_DELETE:
            send()
    send()
    s3.delete_bucket(Bucket=bucket)


def _tables(dynamodb: Any, stack: str) -> Iterator[Thing]:
    names = ("predictions", "deployments", "page-reviews", "page-tallies")
    for name in (f"{stack}-{suffix}" for suffix in names):
        found = _or_none(dynamodb.describe_table, TableName=name)
        if found is None:
            continue
        table = found["Table"]
        yield Thing(
            "table",
            name,
            f"about {table.get('ItemCount', 0):,} items, {table.get('TableSizeBytes', 0) / 1e9:.2f}"
            " GB",
            "by what it holds",
            data=True,
            delete=partial(_call, dynamodb.delete_table, {"TableName": name}),
        )


def _registry(sagemaker: Any, stack: str) -> Iterator[Thing]:
    """The group with its packages, which cost nothing and tell what was trained and approved."""
    group = {"ModelPackageGroupName": stack}
    if _or_none(sagemaker.describe_model_package_group, **group) is None:
        return
    packages = [
        item["ModelPackageArn"]
        for page in sagemaker.get_paginator("list_model_packages").paginate(**group)
        for item in page["ModelPackageSummaryList"]
    ]

    def delete(_progress: Progress) -> None:
        for arn in packages:
            sagemaker.delete_model_package(ModelPackageName=arn)
        sagemaker.delete_model_package_group(**group)

    words = f"{len(packages)} packages"
    yield Thing("model registry", stack, words, "nothing", data=True, delete=delete)


def _models(sagemaker: Any, stack: str) -> Iterator[Thing]:
    """What earlier deploys left for a rollback: those that bear the stack's tag."""
    for kind, plural, members, delete in (
        ("endpoint config", "endpoint_configs", "EndpointConfig", sagemaker.delete_endpoint_config),
        ("model", "models", "Model", sagemaker.delete_model),
    ):
        for page in sagemaker.get_paginator(f"list_{plural}").paginate():
            for item in page[f"{members}s"]:
                name = item[f"{members}Name"]
                tags = sagemaker.list_tags(ResourceArn=item[f"{members}Arn"])["Tags"]
                if {"Key": "stack", "Value": stack} in tags:
                    named = {f"{members}Name": name}
                    yield Thing(kind, name, "", "nothing", delete=partial(_call, delete, named))


def _call(delete: Callable[..., Any], arguments: dict[str, str], _progress: Progress) -> None:
    delete(**arguments)


def _or_none(ask: Callable[..., dict[str, Any]], **arguments: str) -> dict[str, Any] | None:
    """The answer, or None where AWS says that there is no such thing."""
    try:
        return ask(**arguments)
    except ClientError as error:
        # By words: SageMaker's code for it stands for other faults as well.
        words = str(error)
        if any(said in words.lower() for said in ("does not exist", "could not find", "not found")):
            return None
        raise
