"""The local model registry driven by unmodified boto3, which holds the answers to AWS's model."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.launch import Cloud
from tests.integration.local.conftest import archive


class Registry:
    def __init__(self, cloud: Cloud) -> None:
        self.api = cloud.client("sagemaker")
        self.group = f"test-{uuid.uuid4().hex[:12]}"
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=self.group)
        s3.put_object(Bucket=self.group, Key="model.tar.gz", Body=archive())
        self.api.create_model_package_group(ModelPackageGroupName=self.group)

    def add(self, key: str = "model.tar.gz", **more: Any) -> str:
        container = {"Image": "any", "ModelDataUrl": f"s3://{self.group}/{key}"}
        arn: str = self.api.create_model_package(
            ModelPackageGroupName=self.group,
            InferenceSpecification={"Containers": [container]},
            **more,
        )["ModelPackageArn"]
        return arn


@pytest.fixture
def registry(cloud: Cloud) -> Registry:
    return Registry(cloud)


def test_package_is_pending_at_birth_and_approved_by_an_update(registry: Registry) -> None:
    arn = registry.add(CustomerMetadataProperties={"model_version": "a", "gone": "b"})

    born = registry.api.describe_model_package(ModelPackageName=arn)
    assert arn.endswith(f":model-package/{registry.group}/1")
    assert born["ModelApprovalStatus"] == "PendingManualApproval"
    assert born["ModelPackageVersion"] == 1
    assert born["ModelPackageStatus"] == "Completed"
    assert "LastModifiedTime" not in born

    registry.api.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="better",
        CustomerMetadataProperties={"approved_by": "me"},
        CustomerMetadataPropertiesToRemove=["gone"],
    )

    now = registry.api.describe_model_package(ModelPackageName=arn)
    assert now["ModelApprovalStatus"] == "Approved"
    assert now["ApprovalDescription"] == "better"
    assert now["CustomerMetadataProperties"] == {"model_version": "a", "approved_by": "me"}
    assert now["LastModifiedTime"] >= now["CreationTime"]


def test_lists_by_group_and_approval(registry: Registry) -> None:
    first, second = registry.add(), registry.add()
    registry.api.update_model_package(ModelPackageArn=first, ModelApprovalStatus="Approved")

    def listed(**asked: Any) -> list[str]:
        pages = registry.api.get_paginator("list_model_packages").paginate(
            PaginationConfig={"PageSize": 1}, ModelPackageGroupName=registry.group, **asked
        )
        return [row["ModelPackageArn"] for page in pages for row in page["ModelPackageSummaryList"]]

    assert listed() == [second, first]
    assert listed(ModelApprovalStatus="Approved") == [first]
    groups = registry.api.list_model_package_groups(NameContains=registry.group)
    [summary] = groups["ModelPackageGroupSummaryList"]
    assert summary["ModelPackageGroupStatus"] == "Completed"


def test_version_of_a_deleted_package_is_not_given_again(registry: Registry) -> None:
    registry.api.delete_model_package(ModelPackageName=registry.add())
    assert registry.add().endswith("/2")


def test_group_goes_once_it_is_empty(registry: Registry) -> None:
    arn = registry.add()
    with pytest.raises(ClientError, match="still contains Model Packages") as raised:
        registry.api.delete_model_package_group(ModelPackageGroupName=registry.group)
    assert raised.value.response["Error"]["Code"] == "ConflictException"

    registry.api.delete_model_package(ModelPackageName=arn)
    registry.api.delete_model_package_group(ModelPackageGroupName=registry.group)
    with pytest.raises(ClientError, match=r"ModelPackageGroup arn:\S+ does not exist"):
        registry.api.describe_model_package_group(ModelPackageGroupName=registry.group)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda r: r.api.create_model_package_group(ModelPackageGroupName=r.group),
            "Model Package Group already exists: arn:",
        ),
        (
            lambda r: r.api.describe_model_package(ModelPackageName=f"{r.group}/7"),
            "ModelPackage arn:aws:sagemaker:.*/7 does not exist",
        ),
        (lambda r: r.api.create_model_package(), "Missing ARN"),
        (
            lambda r: r.api.create_model_package(ModelPackageName="a", ModelPackageGroupName="b"),
            "Both ModelPackageName and ModelPackageGroupName",
        ),
        (
            lambda r: r.api.update_model_package(
                ModelPackageArn=r.add(), ModelApprovalStatus="Maybe"
            ),
            "enum value set",
        ),
        (lambda r: r.add("no-such-key"), "Could not find model data at s3://"),
    ],
)
def test_what_is_wrong_is_said_in_aws_words(
    registry: Registry, call: Callable[[Registry], object], words: str
) -> None:
    with pytest.raises(ClientError, match=words) as raised:
        call(registry)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
