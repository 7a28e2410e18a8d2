"""AWS::ApplicationAutoScaling::ScalableTarget and ScalingPolicy."""

from __future__ import annotations

from typing import Any

from local.cloudformation.names import only, physical_name
from local.errors import AwsError
from local.wire import JsonApi, coerced

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]
_TARGET_PROPERTIES = (
    "ServiceNamespace",
    "ResourceId",
    "ScalableDimension",
    "MinCapacity",
    "MaxCapacity",
    "RoleARN",
    "SuspendedState",
)
_POLICY_PROPERTIES = (
    "PolicyType",
    "StepScalingPolicyConfiguration",
    "TargetTrackingScalingPolicyConfiguration",
)


class ScalableTarget:
    """`Ref` is "resource|dimension|namespace"."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        _call(self._api, "RegisterScalableTarget", only(properties, *_TARGET_PROPERTIES))
        names = ("ResourceId", "ScalableDimension", "ServiceNamespace")
        physical_id = "|".join(properties[name] for name in names)
        return physical_id, {"Id": physical_id}

    def delete(self, physical_id: str, properties: Properties) -> None:
        _delete(self._api, "DeregisterScalableTarget", _target(physical_id))


class ScalingPolicy:
    """`Ref` is the ARN. The target is named by ScalingTargetId, or by its three parts."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        name = properties.get("PolicyName") or physical_name(stack, logical_id)
        params = (
            _policy_target(properties)
            | only(properties, *_POLICY_PROPERTIES)
            | {"PolicyName": name}
        )
        arn = _call(self._api, "PutScalingPolicy", params)["PolicyARN"]
        return arn, {"Arn": arn}

    def delete(self, physical_id: str, properties: Properties) -> None:
        rows = _call(
            self._api,
            "DescribeScalingPolicies",
            only(_policy_target(properties), "ServiceNamespace"),
        )
        for row in rows["ScalingPolicies"]:
            if row["PolicyARN"] == physical_id:
                params = only(
                    row, "PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension"
                )
                _delete(self._api, "DeleteScalingPolicy", params)


def handlers(api: JsonApi) -> dict[str, dict[str, Any]]:
    """Without an update of their own: ministack then calls create again, which both APIs take as an
    update.
    """
    target, policy = ScalableTarget(api), ScalingPolicy(api)
    return {
        "AWS::ApplicationAutoScaling::ScalableTarget": {
            "create": target.create,
            "delete": target.delete,
        },
        "AWS::ApplicationAutoScaling::ScalingPolicy": {
            "create": policy.create,
            "delete": policy.delete,
        },
    }


def _target(physical_id: str) -> dict[str, str]:
    resource, dimension, namespace = physical_id.split("|")
    return {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension}


def _policy_target(properties: Properties) -> dict[str, Any]:
    if "ScalingTargetId" in properties:
        return dict(_target(properties["ScalingTargetId"]))
    return only(properties, "ServiceNamespace", "ResourceId", "ScalableDimension")


def _call(api: JsonApi, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    try:
        return api.call(operation, coerced("application-autoscaling", operation, params))
    except AwsError as error:
        raise ValueError(f"{operation}: {error.code}: {error.message}") from error


def _delete(api: JsonApi, operation: str, params: dict[str, Any]) -> None:
    """Deleting what is gone already (a target takes its policies along) is success."""
    try:
        api.call(operation, params)
    except AwsError as error:
        if error.code != "ObjectNotFoundException":
            raise ValueError(f"{operation}: {error.code}: {error.message}") from error
