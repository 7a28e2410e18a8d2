"""AWS::SageMaker::Model, EndpointConfig, Endpoint and ModelPackageGroup."""

from __future__ import annotations

from typing import Any

from local.cloudformation.names import only, physical_name, refuse_custom_named
from local.errors import AwsError
from local.sagemaker.service import SageMaker
from local.wire import JsonApi, coerced

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]
_SETTLE_TIMEOUT_S = 900.0
_GONE = " does not exist."


class Named:
    """Model, EndpointConfig and ModelPackageGroup: made and deleted, never changed; a change
    replaces them. `Ref` is the ARN.
    """

    def __init__(self, api: JsonApi, kind: str) -> None:
        self._api = api
        self._kind = kind
        self._name_property = f"{kind}Name"

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        name = properties.get(self._name_property) or physical_name(stack, logical_id)
        operation = f"Create{self._kind}"
        answer = _call(self._api, operation, {**properties, self._name_property: name})
        return answer[f"{self._kind}Arn"], {
            self._name_property: name,
            f"{self._kind}Arn": answer[f"{self._kind}Arn"],
            "Id": answer[f"{self._kind}Arn"],
        }

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        refuse_custom_named(self._name_property, old, new)
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        _delete(self._api, self._kind, physical_id)


class EndpointResource:
    """Complete when the endpoint is in service. A new configuration is an update, a new name a
    replacement.
    """

    def __init__(self, sagemaker: SageMaker) -> None:
        self._api = sagemaker.api
        self._sagemaker = sagemaker

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        name = properties.get("EndpointName") or physical_name(stack, logical_id)
        params = only(properties, "EndpointConfigName", "Tags") | {"EndpointName": name}
        endpoint_arn = _call(self._api, "CreateEndpoint", params)["EndpointArn"]
        record = self._sagemaker.wait_settled(endpoint_arn, _SETTLE_TIMEOUT_S)
        if record is None or record["EndpointStatus"] != "InService":
            reason = record["FailureReason"] if record else "it was deleted"
            # CloudFormation knows no physical id of what never came up, so nobody else would delete
            # it.
            self.delete(endpoint_arn, {})
            raise ValueError(f"Endpoint {name} failed: {reason}")
        return endpoint_arn, {"EndpointName": name, "EndpointArn": endpoint_arn}

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        if old.get("EndpointName") != new.get("EndpointName"):
            return self.create(logical_id, new, stack)
        name = _call(self._api, "DescribeEndpoint", {"EndpointName": _name(physical_id)})[
            "EndpointName"
        ]
        if old.get("EndpointConfigName") != new.get("EndpointConfigName"):
            names = ("EndpointConfigName", "DeploymentConfig", "RetainAllVariantProperties")
            _call(self._api, "UpdateEndpoint", only(new, *names) | {"EndpointName": name})
            record = self._sagemaker.wait_settled(physical_id, _SETTLE_TIMEOUT_S)
            if record is None or record["EndpointConfigName"] != new["EndpointConfigName"]:
                reason = record["FailureReason"] if record else "it was deleted"
                raise ValueError(f"Endpoint {name} failed: {reason}")
        return physical_id, {"EndpointName": name, "EndpointArn": physical_id}

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._sagemaker.wait_settled(physical_id, _SETTLE_TIMEOUT_S)
        _delete(self._api, "Endpoint", physical_id)
        self._sagemaker.wait_settled(physical_id, _SETTLE_TIMEOUT_S)


def handlers(sagemaker: SageMaker) -> dict[str, dict[str, Any]]:
    return {
        "AWS::SageMaker::Model": _handler(Named(sagemaker.api, "Model")),
        "AWS::SageMaker::EndpointConfig": _handler(Named(sagemaker.api, "EndpointConfig")),
        "AWS::SageMaker::ModelPackageGroup": _handler(Named(sagemaker.api, "ModelPackageGroup")),
        "AWS::SageMaker::Endpoint": _handler(EndpointResource(sagemaker)),
    }


def _handler(resource: Named | EndpointResource) -> dict[str, Any]:
    return {
        "create": resource.create,
        "update": resource.update,
        "update_with_logical_id": True,
        "delete": resource.delete,
    }


def _call(api: JsonApi, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    try:
        return api.call(operation, coerced("sagemaker", operation, params))
    except AwsError as error:
        raise ValueError(f"{operation}: {error.code}: {error.message}") from error


def _delete(api: JsonApi, kind: str, resource_arn: str) -> None:
    """Deleting what is gone already is success, as in CloudFormation's own providers."""
    try:
        api.call(f"Delete{kind}", {f"{kind}Name": _name(resource_arn)})
    except AwsError as error:
        gone = error.message.startswith("Could not find") or error.message.endswith(_GONE)
        if not gone:
            raise ValueError(f"Delete{kind}: {error.code}: {error.message}") from error


def _name(resource_arn: str) -> str:
    return resource_arn.rpartition("/")[2]
