"""What the first stack has to say, and which bucket it may read."""

from __future__ import annotations

from typing import Any

import pytest

from backfill import lane
from backfill.lane import Lane
from training.jobs.errors import UsageError


class CloudFormation:
    def __init__(self, *outputs: str, **parameters: str) -> None:
        self._stack = {
            "StackStatus": "UPDATE_COMPLETE",
            "Outputs": [{"OutputKey": name, "OutputValue": f"the-{name}"} for name in outputs],
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
        }

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [self._stack]}


OUTPUTS = ("BucketName", "TableName", "EndpointName", "BackfillQueueUrl", "DeadLetterQueueUrl")


def look(*outputs: str, **parameters: str) -> Lane:
    stack = CloudFormation(*outputs, **parameters)
    return lane.look(lambda _service: stack, "dogs")


def test_stack_of_an_earlier_template_is_to_be_deployed_anew() -> None:
    with pytest.raises(UsageError, match="make build stack STACK=dogs"):
        look("BucketName", "TableName", "EndpointName", "DeadLetterQueueUrl")


def test_instance_type_is_that_of_a_stack_with_instances() -> None:
    instances = {"InstanceType": "ml.m5.large", "ServerlessMemoryMB": "0", "EndpointName": ""}
    assert look(*OUTPUTS, **instances).instance_type == "ml.m5.large"
    assert look(*OUTPUTS, **instances | {"ServerlessMemoryMB": "3072"}).instance_type == ""
    assert look(*OUTPUTS, **instances | {"EndpointName": "mine"}).instance_type == ""


def test_own_bucket_is_read_below_uploads() -> None:
    found = look(*OUTPUTS)
    lane.check_may_read(found, "the-BucketName", "uploads/2024/")
    with pytest.raises(UsageError, match="s3://the-BucketName/uploads/"):
        lane.check_may_read(found, "the-BucketName", "thumbnails/")


def test_other_bucket_needs_a_permission_that_is_named() -> None:
    with pytest.raises(UsageError, match="PARAMETERS=BackfillBucket=photos-of-2019"):
        lane.check_may_read(look(*OUTPUTS), "photos-of-2019", "")
    lane.check_may_read(look(*OUTPUTS, BackfillBucket="photos-of-2019"), "photos-of-2019", "")
    with pytest.raises(UsageError, match="may read photos-of-2019 now"):
        lane.check_may_read(look(*OUTPUTS, BackfillBucket="photos-of-2019"), "another", "")


def test_release_changes_with_the_files_that_the_stack_is_made_of() -> None:
    names = {path.name for path in lane.sources()}
    assert {"template.yaml", "core.py", "requirements.txt"} <= names
    assert not any(name.endswith(".pyc") for name in names)
