"""AWS::DynamoDB::Table: ministack makes the table but leaves out TTL and point-in-time recovery; we
add both.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.arns import request_region
from local.clients import aws_client

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]


def with_ttl_and_recovery(handler: dict[str, Any], cloud_url: str) -> dict[str, Any]:
    """The same handler; its create and update are followed by the two calls they leave out."""

    def create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
        provisioned: Provisioned = handler["create"](logical_id, properties, stack)
        _apply(cloud_url, provisioned[0], {}, properties)
        return provisioned

    def update(physical_id: str, old: Properties, new: Properties, *rest: str) -> Provisioned:
        provisioned: Provisioned = handler["update"](physical_id, old, new, *rest)
        _apply(cloud_url, provisioned[0], old if provisioned[0] == physical_id else {}, new)
        return provisioned

    return handler | {"create": create, "update": update}


def _apply(cloud_url: str, table: str, old: Properties, new: Properties) -> None:
    client = aws_client("dynamodb", cloud_url, request_region.get())
    try:
        for attribute, enabled in _ttl_changes(_ttl(old), _ttl(new)):
            client.update_time_to_live(
                TableName=table,
                TimeToLiveSpecification={"AttributeName": attribute, "Enabled": enabled},
            )
        if _recovery(old) != _recovery(new):
            client.update_continuous_backups(
                TableName=table,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": _recovery(new)},
            )
    except (BotoCoreError, ClientError) as error:
        raise ValueError(f"Table {table}: {error}") from error


def _ttl_changes(old: str | None, new: str | None) -> list[tuple[str, bool]]:
    if old == new:
        return []
    return [
        (attribute, on) for attribute, on in ((old, False), (new, True)) if attribute is not None
    ]


def _ttl(properties: Properties) -> str | None:
    """The attribute that expires rows, or None."""
    specification = properties.get("TimeToLiveSpecification") or {}
    return specification.get("AttributeName") if _true(specification.get("Enabled")) else None


def _recovery(properties: Properties) -> bool:
    specification = properties.get("PointInTimeRecoverySpecification") or {}
    return _true(specification.get("PointInTimeRecoveryEnabled"))


def _true(value: object) -> bool:
    return str(value).lower() == "true"
