"""What CloudFormation asks SageMaker for on the template's behalf, held against AWS's own model."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.aws_model import problems
from tests.unit.template.cloudformation import template

MODES = {
    "instances": {"CreateEndpoint": True, "Serverless": False, "InstanceBacked": True},
    "serverless": {"CreateEndpoint": True, "Serverless": True, "InstanceBacked": False},
}
_ROLE = "arn:aws:iam::123456789012:role/model"
_NOTHING = object()


def _resolved(value: Any, conditions: dict[str, bool]) -> Any:
    """The value as CloudFormation would send it, with stand-ins for names and ARNs."""
    if isinstance(value, list):
        items = [_resolved(item, conditions) for item in value]
        return [item for item in items if item is not _NOTHING]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (function, argument), *_ = value.items()
        if function == "Ref":
            return _reference(argument)
        if function == "Fn::GetAtt":
            return _ROLE if argument[1] == "Arn" else argument[0]
        if function == "Fn::If":
            name, yes, no = argument
            return _resolved(yes if conditions.get(name, True) else no, conditions)
        if function == "Fn::Sub":
            text = argument if isinstance(argument, str) else argument[0]
            return re.sub(r"\$\{[^}]*\}", "x", text)
    resolved = {name: _resolved(item, conditions) for name, item in value.items()}
    return {name: item for name, item in resolved.items() if item is not _NOTHING}


def _reference(name: str) -> Any:
    if name == "AWS::NoValue":
        return _NOTHING
    return template()["Parameters"].get(name, {}).get("Default", name.replace("AWS::", ""))


def _properties(name: str, mode: str) -> dict[str, Any]:
    conditions = dict(MODES[mode])
    found: dict[str, Any] = _resolved(template()["Resources"][name]["Properties"], conditions)
    if mode == "serverless" and name == "EndpointConfig":
        found["ProductionVariants"][0]["ServerlessConfig"]["MemorySizeInMB"] = 4096
    return found


@pytest.mark.parametrize("mode", MODES)
def test_model_and_endpoint_configuration_are_requests_that_aws_accepts(mode: str) -> None:
    model = {"ModelName": "m"} | _properties("Model", mode)
    config = {"EndpointConfigName": "c"} | _properties("EndpointConfig", mode)

    assert problems("sagemaker", "CreateModel", model) == []
    assert problems("sagemaker", "CreateEndpointConfig", config) == []


@pytest.mark.parametrize("mode", MODES)
def test_endpoint_is_made_and_updated_by_requests_that_aws_accepts(mode: str) -> None:
    endpoint = _properties("Endpoint", mode)
    made = {name: endpoint[name] for name in ("EndpointName", "EndpointConfigName")}

    assert problems("sagemaker", "CreateEndpoint", made) == []
    assert problems("sagemaker", "UpdateEndpoint", endpoint) == []


def test_update_of_an_endpoint_on_instances_is_rolled_back_by_its_alarms() -> None:
    deployment = _properties("Endpoint", "instances")["DeploymentConfig"]

    assert deployment["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] > 0
    alarms = deployment["AutoRollbackConfiguration"]["Alarms"]
    assert [a["AlarmName"] for a in alarms] == ["EndpointErrorsAlarm", "EndpointLatencyAlarm"]
    for alarm in alarms:
        assert template()["Resources"][alarm["AlarmName"]]["Type"] == "AWS::CloudWatch::Alarm"
