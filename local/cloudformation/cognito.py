"""Amazon Cognito's resource types for a page: clients whose sign-in comes back to this machine, and
users, which ministack's CloudFormation lacks.
"""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.arns import request_region
from local.clients import aws_client

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]
_ADDRESSES = ("CallbackURLs", "LogoutURLs")
_API = re.compile(r"https://([a-z0-9]+)\.execute-api\.")


def with_local_urls(handler: dict[str, Any], cloud_url: str) -> dict[str, Any]:
    """The same handler; addresses of an API on AWS are joined by where it is on this machine."""

    def here_too(properties: Properties) -> Properties:
        return properties | {
            name: [*properties[name], *_local_addresses(properties[name], cloud_url)]
            for name in _ADDRESSES
            if name in properties
        }

    def create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
        provisioned: Provisioned = handler["create"](logical_id, here_too(properties), stack)
        return provisioned

    def update(physical_id: str, old: Properties, new: Properties, *rest: str) -> Provisioned:
        provisioned: Provisioned = handler["update"](
            physical_id, here_too(old), here_too(new), *rest
        )
        return provisioned

    return handler | {"create": create, "update": update}


def _local_addresses(addresses: list[str], cloud_url: str) -> list[str]:
    apis = (_API.match(address) for address in addresses)
    return [f"{cloud_url}/_aws/execute-api/{api[1]}/" for api in apis if api]


class User:
    """`Ref` is the user's name. A change of anything replaces the user, as on AWS."""

    def __init__(self, cloud_url: str) -> None:
        self._cloud_url = cloud_url

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        names = ("UserPoolId", "Username", "UserAttributes", "DesiredDeliveryMediums")
        asked = {name: properties[name] for name in names if name in properties}
        _call(self._cloud_url, "admin_create_user", **asked)
        return properties["Username"], {}

    def delete(self, physical_id: str, properties: Properties) -> None:
        pool = properties["UserPoolId"]
        _call(self._cloud_url, "admin_delete_user", UserPoolId=pool, Username=physical_id)


class Membership:
    """A user in a group; `Ref` names both."""

    def __init__(self, cloud_url: str) -> None:
        self._cloud_url = cloud_url

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        names = ("UserPoolId", "GroupName", "Username")
        asked = {name: properties[name] for name in names}
        _call(self._cloud_url, "admin_add_user_to_group", **asked)
        return f"{asked['GroupName']}/{asked['Username']}", {}

    def delete(self, physical_id: str, properties: Properties) -> None:
        group, _, user = physical_id.partition("/")
        _call(
            self._cloud_url,
            "admin_remove_user_from_group",
            UserPoolId=properties["UserPoolId"],
            GroupName=group,
            Username=user,
        )


def handlers(cloud_url: str) -> dict[str, dict[str, Any]]:
    made: dict[str, User | Membership] = {
        "AWS::Cognito::UserPoolUser": User(cloud_url),
        "AWS::Cognito::UserPoolUserToGroupAttachment": Membership(cloud_url),
    }
    return {
        name: {"create": each.create, "update": _replaced(each), "delete": each.delete}
        for name, each in made.items()
    }


def _replaced(resource: User | Membership) -> Any:
    def update(physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        return (physical_id, {}) if old == new else resource.create("", new, stack)

    return update


def _call(cloud_url: str, operation: str, **params: Any) -> None:
    client = aws_client("cognito-idp", cloud_url, request_region.get())
    try:
        getattr(client, operation)(**params)
    except (BotoCoreError, ClientError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if operation.startswith(("admin_delete", "admin_remove")) and code in _GONE:
            return
        raise ValueError(f"{operation}: {error}") from error


# Deleting what went with its pool is success.
_GONE = {"ResourceNotFoundException", "UserNotFoundException"}
