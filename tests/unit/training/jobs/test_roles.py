"""Which role is found, asked of IAM and CloudFormation as AWS answers."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from training.jobs.roles import OUTPUT, ROLE_STACK, of_stacks, trusts_sagemaker

ROLE = "arn:aws:iam::111122223333:role/service-role/jobs"


class CloudFormation:
    """Stacks by name: their outputs, or the code of an error."""

    def __init__(self, stacks: dict[str, dict[str, str] | str]) -> None:
        self.stacks = stacks

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        outputs = self.stacks.get(StackName, "ValidationError")
        if isinstance(outputs, str):
            words = f"Stack with id {StackName} does not exist"
            message = words if outputs == "ValidationError" else "no"
            raise ClientError({"Error": {"Code": outputs, "Message": message}}, "DescribeStacks")
        pairs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        return {"Stacks": [{"Outputs": pairs} if pairs else {}]}


@pytest.mark.parametrize(
    ("stacks", "found"),
    [
        ({"mine": {OUTPUT: "a"}, ROLE_STACK: {OUTPUT: "b"}}, "a"),
        ({"mine": {"Other": "x"}, ROLE_STACK: {OUTPUT: "b"}}, "b"),
        ({"mine": {}, ROLE_STACK: {OUTPUT: "b"}}, "b"),
        ({ROLE_STACK: {OUTPUT: "b"}}, "b"),
        ({"mine": "AccessDenied"}, None),
        ({}, None),
    ],
)
def test_role_is_of_the_first_stack_that_has_one(
    stacks: dict[str, dict[str, str] | str], found: str | None
) -> None:
    assert of_stacks(CloudFormation(stacks), "mine") == found


def test_other_faults_of_cloudformation_are_not_taken_for_no_stack() -> None:
    with pytest.raises(ClientError, match="Throttling"):
        of_stacks(CloudFormation({"mine": "Throttling"}), "mine")


class Iam:
    """Knows one role."""

    def __init__(self, answer: dict[str, Any] | str) -> None:
        self.answer = answer

    def get_role(self, RoleName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        assert RoleName == "jobs"
        if isinstance(self.answer, str):
            raise ClientError({"Error": {"Code": self.answer, "Message": "no"}}, "GetRole")
        return {"Role": {"AssumeRolePolicyDocument": self.answer}}


def _trust(service: str) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Principal": {"Service": service}}]}


@pytest.mark.parametrize(
    ("answer", "trusted"),
    [
        (_trust("sagemaker.amazonaws.com"), True),
        (_trust("ec2.amazonaws.com"), False),
        ("AccessDenied", True),
    ],
)
def test_callers_role_is_for_jobs_where_sagemaker_may_take_it(
    answer: dict[str, Any] | str, trusted: bool
) -> None:
    assert trusts_sagemaker(Iam(answer), ROLE) is trusted
