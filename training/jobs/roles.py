"""Where the role of training jobs comes from when no configuration names one."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

# What `make training-role` makes of training/role.yaml.
ROLE_STACK = "breed-classifier-training"
OUTPUT = "TrainingRoleArn"
NONE = f"""\
No role for training jobs. Make one: make training-role (a stack {ROLE_STACK} with least privilege)
or name one: SET="jobs.role=ARN", [jobs] role in training/jobs/config.toml, or
SageMaker.TrainingJob.RoleArn in the SDK's own configuration."""
_SERVICE = "sagemaker.amazonaws.com"
_UNKNOWN = ("AccessDenied", "AccessDeniedException")


def of_stacks(cloudformation: Any, *stacks: str) -> str | None:
    """The output TrainingRoleArn of the first of `stacks`, then of ROLE_STACK, that has one."""
    for name in (*stacks, ROLE_STACK):
        try:
            stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if "does not exist" in str(error) or code in _UNKNOWN:
                continue
            raise
        for output in stack.get("Outputs", []):
            if output["OutputKey"] == OUTPUT:
                return str(output["OutputValue"])
    return None


def trusts_sagemaker(iam: Any, role: str) -> bool:
    """Whether SageMaker may take the role; True where the caller may not look.

    The caller's own role is one for jobs in a notebook of SageMaker, and hardly anywhere else.
    """
    try:
        found = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNKNOWN:
            return True
        raise
    return _SERVICE in json.dumps(found["AssumeRolePolicyDocument"])
