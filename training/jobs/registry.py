"""The model registry: a stack's group of model packages, and what was approved in it.

A package is born pending. A person approves it, here or in the console; nothing here approves by
itself. `deploy` takes the package that was approved last, so approving an older one again and
deploying goes back to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import CommandError, UsageError

PENDING, APPROVED = "PendingManualApproval", "Approved"
APPROVED_AT = "approved_at"
# Bounds of SageMaker's CustomerMetadataProperties.
_LONGEST_VALUE, _MOST_VALUES = 256, 50
_LONGEST_DESCRIPTION = 1024


@dataclass(frozen=True)
class Version:
    """A model package; `changed` is when anything of it changed last."""

    arn: str
    number: int
    status: str
    model_data: str
    properties: Mapping[str, str]
    changed: datetime
    description: str

    @property
    def model_version(self) -> str:
        return self.properties.get("model_version", "")

    @property
    def approved(self) -> datetime:
        """When it was, if it is. SageMaker keeps no time of an approval: `approve` writes it down.

        Of one that was approved in the console it is `changed`. Raises CommandError where what was
        written down is no time.
        """
        told = self.properties.get(APPROVED_AT)
        if told is None:
            return self.changed
        try:
            return datetime.fromisoformat(told).astimezone(UTC)
        except ValueError as error:
            raise CommandError(
                f"Version {self.number} of the registry says {APPROVED_AT}={told}, which is no "
                f"time. `make approve VERSION={self.number}` writes it anew."
            ) from error


def register(
    sagemaker: Any, group: str, image: str, model_data: str, facts: Mapping[str, Any],
    metrics_uri: str | None,
) -> str:  # fmt: skip
    """A new package of the group, pending; its ARN.

    `facts` are the lineage and the metrics; `metrics_uri` is their JSON in S3. Raises UsageError
    where the group is not there, ClientError for all else.
    """
    metrics = {}
    if metrics_uri:
        statistics = {"ContentType": "application/json", "S3Uri": metrics_uri}
        metrics = {"ModelMetrics": {"ModelQuality": {"Statistics": statistics}}}
    try:
        made = sagemaker.create_model_package(
            ModelPackageGroupName=group,
            ModelPackageDescription=f"Model {facts.get('model_version', '')} of {group}",
            ModelApprovalStatus=PENDING,
            InferenceSpecification={
                "Containers": [{"Image": image, "ModelDataUrl": model_data}],
                "SupportedContentTypes": ["image/jpeg"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            CustomerMetadataProperties=properties_of(facts),
            **metrics,
        )
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise UsageError(
            f"There is no group of model packages {group} here. The stack of that name makes it: "
            "deploy it once with `make deploy MODEL=...`."
        ) from error
    return str(made["ModelPackageArn"])


def properties_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """What of `facts` SageMaker takes as metadata: text, not empty, within its bounds.

    Raises CommandError where one is too long, rather than cut it.
    """
    found = {name: str(value) for name, value in facts.items() if value not in (None, "")}
    long = [name for name, value in found.items() if len(value) > _LONGEST_VALUE]
    if long or len(found) > _MOST_VALUES:
        raise CommandError(
            f"SageMaker takes {_MOST_VALUES} properties of {_LONGEST_VALUE} characters; "
            f"there are {len(found)}, and too long are: {', '.join(long) or 'none'}."
        )
    return found


def versions(sagemaker: Any, group: str, status: str | None = None) -> list[Version]:
    """The group's packages, newest number first; none where there is no group."""
    asked = {"ModelApprovalStatus": status} if status else {}
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, **asked
    )
    found = [describe(sagemaker, arn) for arn in _arns(pages)]
    return sorted(found, key=lambda version: version.number, reverse=True)


def _arns(pages: Any) -> Iterator[str]:
    try:
        for page in pages:
            yield from (row["ModelPackageArn"] for row in page["ModelPackageSummaryList"])
    except ClientError as error:
        if "does not exist" not in str(error):
            raise


def describe(sagemaker: Any, arn: str) -> Version:
    row = sagemaker.describe_model_package(ModelPackageName=arn)
    containers = row.get("InferenceSpecification", {}).get("Containers", [{}])
    return Version(
        arn=row["ModelPackageArn"],
        number=row.get("ModelPackageVersion", 0),
        status=row.get("ModelApprovalStatus", ""),
        model_data=containers[0].get("ModelDataUrl", ""),
        properties=row.get("CustomerMetadataProperties", {}),
        changed=row.get("LastModifiedTime") or row["CreationTime"],
        description=row.get("ApprovalDescription", ""),
    )


def newest_approved(sagemaker: Any, group: str) -> Version | None:
    """The one that was approved last: not the one of the highest number, nor any that was edited
    since.
    """
    return max(
        versions(sagemaker, group, APPROVED),
        key=lambda version: (version.approved, version.number),
        default=None,
    )


def changed_since(sagemaker: Any, group: str, newest: Version) -> list[Version]:
    """Other approved packages that changed after `newest` was approved.

    The console may have approved them once more, which SageMaker does not tell from an edit.
    """
    return [
        version
        for version in versions(sagemaker, group, APPROVED)
        if version.arn != newest.arn and version.changed > newest.approved
    ]


def of_model_data(sagemaker: Any, group: str, model_data: str) -> Version | None:
    """The newest package of the archive."""
    found = versions(sagemaker, group)
    return next((version for version in found if version.model_data == model_data), None)


def chosen(sagemaker: Any, group: str, number: int | None) -> Version:
    """The package of the number, or the newest that is pending. Raises UsageError."""
    found = versions(sagemaker, group)
    wanted = [
        version
        for version in found
        if (version.status == PENDING if number is None else version.number == number)
    ]
    if wanted:
        return wanted[0]
    there = ", ".join(f"{version.number} ({version.status})" for version in found) or "nothing"
    what = "nothing is pending" if number is None else f"there is no version {number}"
    raise UsageError(f"In the registry {group} {what}. It holds: {there}.")


def approve(sagemaker: Any, version: Version, by: str, why: str) -> None:
    """Approve, and keep who, when and why on the package. Raises UsageError for a long `why`."""
    if len(why) > _LONGEST_DESCRIPTION or "\n" in why:
        raise UsageError(f"WHY= takes one line of at most {_LONGEST_DESCRIPTION} characters.")
    sagemaker.update_model_package(
        ModelPackageArn=version.arn,
        ModelApprovalStatus=APPROVED,
        CustomerMetadataProperties={
            "approved_by": by[:_LONGEST_VALUE],
            APPROVED_AT: datetime.now(UTC).isoformat(timespec="microseconds"),
        },
        **({"ApprovalDescription": why} if why else {}),
    )
