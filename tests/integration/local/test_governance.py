"""From a registered model to the story of a row, over the local cloud's registry and tables."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.launch import Cloud
from tests.integration.local.conftest import SageMaker, archive
from training.jobs import governance, registry
from training.jobs.errors import UsageError
from training.jobs.stack import Stack, served_model


def _package(version: str) -> bytes:
    manifest = {"version": version, "labels": ["Akita", "Beagle"], "origin": {"data_sha256": "d5"}}
    return archive(extra={"manifest.json": json.dumps(manifest).encode()})


class World:
    """A stack's parts, without its functions: endpoint, tables and registry."""

    def __init__(self, cloud: Cloud, sagemaker: SageMaker, folder: Path) -> None:
        self.client, self._folder = cloud.client, folder
        endpoint = sagemaker.endpoint(_package("old"))
        name = f"gov-{uuid.uuid4().hex[:8]}"
        self.stack = Stack(
            name, bucket=endpoint, table=f"{name}-predictions", endpoint=endpoint, queue_url="",
            dead_letter_queue_url="", deployments=f"{name}-deployments",
        )  # fmt: skip
        self._table(self.stack.deployments, ("stack", "at"))
        self._table(self.stack.table, ("image_key",), ("reviewed_in", "reviewed_at"))
        self.api = cloud.client("sagemaker")
        self.api.create_model_package_group(ModelPackageGroupName=name)
        self.old = served_model(self.api, endpoint)

    def _table(self, name: str, key: tuple[str, ...], index: tuple[str, ...] = ()) -> None:
        def schema(names: tuple[str, ...]) -> list[dict[str, str]]:
            kinds = ("HASH", "RANGE")
            return [{"AttributeName": n, "KeyType": k} for n, k in zip(names, kinds, strict=False)]

        more: dict[str, Any] = {}
        if index:
            every = {"ProjectionType": "ALL"}
            more["GlobalSecondaryIndexes"] = [
                {"IndexName": "reviewed", "KeySchema": schema(index), "Projection": every}
            ]
        types = [{"AttributeName": n, "AttributeType": "S"} for n in (*key, *index)]
        self.client("dynamodb").create_table(
            TableName=name, KeySchema=schema(key), AttributeDefinitions=types,
            BillingMode="PAY_PER_REQUEST", **more,
        )  # fmt: skip

    def register(self, version: str) -> str:
        key = f"{version}/output/model.tar.gz"
        content = _package(version)
        self.client("s3").put_object(Bucket=self.stack.bucket, Key=key, Body=content)
        package = self._folder / f"{version}.tar.gz"
        package.write_bytes(content)
        trained = SimpleNamespace(
            job=f"job-{version}", model_data=f"s3://{self.stack.bucket}/{key}",
            model_version=version, metrics={"test:accuracy": 0.875}, git_commit="c0ffee",
        )  # fmt: skip
        return governance.register(self.client, self.stack, cast(Any, trained), package)

    def row(self, key: str, version: str, verdict: str | None = None, **more: Any) -> None:
        row: dict[str, Any] = {
            "image_key": {"S": key}, "status": {"S": "CLASSIFIED"}, "breed": {"S": "Akita"},
            "confidence": {"N": "0.9"}, "model_version": {"S": version},
            "classified_at": {"S": "2999-01-01T00:00:00.000000Z"}, "sample": {"BOOL": True},
        }  # fmt: skip
        if verdict:
            row |= {"review": {"M": {"verdict": {"S": verdict}}}, "reviewed_in": {"S": "2999-01"}}
            row |= {"reviewed_at": {"S": "2999-01-01"}}
        self.client("dynamodb").put_item(TableName=self.stack.table, Item=row | more)

    def told(self, command: Any, *arguments: Any) -> str:
        lines: list[str] = []
        command(self.client, self.stack, *arguments, lines.append)
        return "\n".join(lines)


@pytest.fixture
def world(cloud: Cloud, sagemaker: SageMaker, tmp_path: Path) -> World:
    return World(cloud, sagemaker, tmp_path)


def test_nothing_is_deployed_before_a_person_has_approved_it(world: World) -> None:
    world.register("new")

    assert registry.newest_approved(world.api, world.stack.name) is None
    version = governance.approve(world.client, world.stack.name, None, "it is better")

    approved = registry.newest_approved(world.api, world.stack.name)
    assert approved is not None
    assert (approved.number, approved.model_version) == (version.number, "new") == (1, "new")
    assert approved.properties["training_job"] == "job-new"
    assert approved.properties["git_commit"] == "c0ffee"
    assert approved.properties["dataset_hash"] == "d5"
    assert approved.properties["approved_by"].startswith("arn:aws:")


def test_approving_an_older_version_again_goes_back_to_it(world: World) -> None:
    world.register("first")
    world.register("second")
    for number in (1, 2, 1):
        governance.approve(world.client, world.stack.name, number, "")

    approved = registry.newest_approved(world.api, world.stack.name)

    assert approved is not None
    assert approved.model_version == "first"


def test_edit_of_an_older_version_is_no_approval_and_is_told(world: World) -> None:
    world.register("first")
    world.register("second")
    for number in (1, 2):
        governance.approve(world.client, world.stack.name, number, "")
    # WHEN somebody writes something on the first one
    (older,) = (v for v in registry.versions(world.api, world.stack.name) if v.number == 1)
    world.api.update_model_package(
        ModelPackageArn=older.arn, CustomerMetadataProperties={"note": "was good"}
    )
    # THEN the second is what was approved last, and that the first was changed is said
    approved = registry.newest_approved(world.api, world.stack.name)
    assert approved is not None
    assert approved.model_version == "second"
    (changed,) = registry.changed_since(world.api, world.stack.name, approved)
    assert changed.model_version == "first"
    # AND what the console approved, without a time of ours, counts from its last change
    world.register("third")
    (third,) = (v for v in registry.versions(world.api, world.stack.name) if v.number == 3)
    world.api.update_model_package(ModelPackageArn=third.arn, ModelApprovalStatus="Approved")
    newest = registry.newest_approved(world.api, world.stack.name)
    assert newest is not None
    assert newest.model_version == "third"


def test_what_cannot_be_approved_is_said_with_what_is_there(world: World) -> None:
    world.register("new")
    governance.approve(world.client, world.stack.name, 1, "")
    with pytest.raises(UsageError, match=r"nothing is pending\. It holds: 1 \(Approved\)"):
        governance.approve(world.client, world.stack.name, None, "")
    with pytest.raises(UsageError, match="there is no version 7"):
        governance.approve(world.client, world.stack.name, 7, "")


def test_history_tells_every_deployment_and_how_right_its_model_was(world: World) -> None:
    arn = world.register("new")
    governance.record(world.client, world.stack, world.old, "the first")
    data = registry.describe(world.api, arn).model_data
    item = governance.record(world.client, world.stack, data, "the second")
    assert item["from_version"] == "old"
    assert item["labels"] == ["Akita", "Beagle"]
    for number, verdict in enumerate(["RIGHT", "RIGHT", "WRONG_BREED", "UNSURE"]):
        world.row(f"uploads/{number}", "new", verdict)

    newest, oldest = world.told(governance.history, None).splitlines()
    assert "model new, before it old, by arn:aws:" in newest
    assert newest.endswith(": the second")
    assert oldest.endswith(": the first")
    on_the_day = world.told(governance.history, item["at"][:10])
    assert "model new: 2 of 3 reviewed photos" in on_the_day
    assert "model old: no photo" in on_the_day
    assert "No deployment is recorded for 2001" in world.told(governance.history, "2001-01-01")
    with pytest.raises(UsageError, match="not a day"):
        world.told(governance.history, "march")


def test_why_goes_from_a_row_to_everything_behind_it(world: World) -> None:
    arn = world.register("new")
    governance.approve(world.client, world.stack.name, None, "it is better")
    data = registry.describe(world.api, arn).model_data
    governance.record(world.client, world.stack, data, "as approved")
    world.row("uploads/rex.jpg", "new")

    story = world.told(governance.why, "uploads/rex.jpg")

    for words in (
        "CLASSIFIED Akita", "model          new", ": as approved", "job-new", "data set       d5",
        "test:accuracy=0.875", "version 1 of", ": it is better",
    ):  # fmt: skip
        assert words in story
    with pytest.raises(UsageError, match="There is no row of uploads/no"):
        world.told(governance.why, "uploads/no")
