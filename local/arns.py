"""Names of resources: the account is fixed, the region is the one the caller signed for."""

from __future__ import annotations

from contextvars import ContextVar

from local.settings import ACCOUNT_ID, REGION

# The gateway sets it for each request; CloudFormation's tasks inherit it.
request_region: ContextVar[str] = ContextVar("request_region", default=REGION)


def sagemaker_arn(kind: str, name: str, region: str | None = None) -> str:
    """The ARN of this account's `kind` (model, endpoint-config, endpoint), by default in the
    caller's region.

    SageMaker's ARNs are in lower case, so names differ by more than their case.
    """
    return f"arn:aws:sagemaker:{region or request_region.get()}:{ACCOUNT_ID}:{kind}/{name.lower()}"


def region_of(arn: str) -> str:
    return arn.split(":")[3]
