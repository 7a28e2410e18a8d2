"""AWS::Lambda::Function and EventSourceMapping, with the types of their properties put right.

CloudFormation hands parameters on as strings and its resource types convert them; ministack stores
them as they come, and its poller then fails to compare a MaximumConcurrency of "5" with a number.
"""

from __future__ import annotations

from typing import Any

from local.wire import coerced

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]
# The API operation whose parameters have the names, and the types, of the resource's properties.
OPERATIONS = {
    "AWS::Lambda::Function": "CreateFunction",
    "AWS::Lambda::EventSourceMapping": "CreateEventSourceMapping",
}


def with_numbers(handler: dict[str, Any], operation: str) -> dict[str, Any]:
    """The same handler; its create and update get numbers as numbers."""

    def create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
        typed = coerced("lambda", operation, properties)
        provisioned: Provisioned = handler["create"](logical_id, typed, stack)
        return provisioned

    def update(physical_id: str, old: Properties, new: Properties, *rest: str) -> Provisioned:
        typed_old, typed_new = (coerced("lambda", operation, each) for each in (old, new))
        provisioned: Provisioned = handler["update"](physical_id, typed_old, typed_new, *rest)
        return provisioned

    return handler | {"create": create, "update": update}
