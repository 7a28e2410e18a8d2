"""Resource handlers that wrap ministack's, and what they make of properties."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloudformation import dynamodb
from local.cloudformation.alarm import with_metric_math
from local.cloudformation.names import physical_name, refuse_custom_named
from local.cloudformation.numbers import with_numbers


class Recorder:
    """A ministack handler that remembers what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def handler(self) -> dict[str, Any]:
        return {"create": self._call, "update": self._call, "delete": self._call, "import": None}

    def _call(self, *args: Any) -> tuple[str, dict[str, Any]]:
        self.calls.append(args)
        return "physical", {}


@pytest.mark.parametrize("stack", ["s", "a-very-long-stack-name-" * 5])
def test_physical_names_fit_and_differ(stack: str) -> None:
    names = {physical_name(stack, "Endpoint") for _ in range(50)}

    assert len(names) == 50
    assert all(len(name) <= 63 for name in names)
    assert all("--" not in name for name in names)


def test_custom_name_cannot_be_replaced() -> None:
    with pytest.raises(ValueError, match="Rename dogs and update the stack again"):
        refuse_custom_named("ModelName", {"ModelName": "dogs"}, {"ModelName": "dogs"})
    refuse_custom_named("ModelName", {"ModelName": "dogs"}, {"ModelName": "cats"})
    refuse_custom_named("ModelName", {}, {})


def test_numbers_reach_lambda_as_numbers() -> None:
    recorder = Recorder()
    handler = with_numbers(recorder.handler(), "CreateFunction")

    handler["create"]("F", {"Timeout": "60", "Tags": [{"Key": "a", "Value": "b"}]}, "stack")
    handler["update"]("p", {"Timeout": "60"}, {"Timeout": "30"}, "stack", "F")

    assert recorder.calls == [
        ("F", {"Timeout": 60, "Tags": [{"Key": "a", "Value": "b"}]}, "stack"),
        ("p", {"Timeout": 60}, {"Timeout": 30}, "stack", "F"),
    ]
    assert handler["import"] is None


def test_metric_math_alarm_gets_a_stand_in_that_never_fires() -> None:
    recorder = Recorder()
    handler = with_metric_math(recorder.handler())

    handler["create"]("A", {"AlarmDescription": "d", "Threshold": 0, "Metrics": [{}]}, "stack")

    assert recorder.calls[0][1] == {
        "AlarmDescription": "d (Metric math is not evaluated in the local cloud.)",
        "Threshold": 0,
        "Namespace": "Local/NotEvaluated",
        "MetricName": "MetricMath",
        "TreatMissingData": "missing",
    }


def test_plain_alarm_is_left_alone() -> None:
    recorder = Recorder()
    properties = {"MetricName": "Errors", "Namespace": "AWS/Lambda"}

    with_metric_math(recorder.handler())["create"]("A", properties, "stack")

    assert recorder.calls == [("A", properties, "stack")]


@pytest.fixture
def dynamodb_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Client:
        def update_time_to_live(self, **params: Any) -> None:
            calls.append(("ttl", params["TimeToLiveSpecification"]))

        def update_continuous_backups(self, **params: Any) -> None:
            calls.append(("recovery", params["PointInTimeRecoverySpecification"]))

    monkeypatch.setattr(dynamodb, "aws_client", lambda *_: Client())
    return calls


def _ttl(attribute: str, enabled: object = True) -> dict[str, Any]:
    return {"TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": enabled}}


def _recovery(enabled: object) -> dict[str, Any]:
    return {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": enabled}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, []),
        ({}, _ttl("e", "true"), [("ttl", {"AttributeName": "e", "Enabled": True})]),
        (_ttl("e"), _ttl("e"), []),
        (_ttl("e"), {}, [("ttl", {"AttributeName": "e", "Enabled": False})]),
        (_ttl("e"), _ttl("e", False), [("ttl", {"AttributeName": "e", "Enabled": False})]),
        (
            _ttl("e"),
            _ttl("f"),
            [
                ("ttl", {"AttributeName": "e", "Enabled": False}),
                ("ttl", {"AttributeName": "f", "Enabled": True}),
            ],
        ),
        ({}, _recovery("true"), [("recovery", {"PointInTimeRecoveryEnabled": True})]),
        (_recovery(True), {}, [("recovery", {"PointInTimeRecoveryEnabled": False})]),
        ({}, _recovery(False), []),
    ],
)
def test_table_update_calls_what_changed_and_no_more(
    dynamodb_calls: list[tuple[str, dict[str, Any]]],
    old: dict[str, Any],
    new: dict[str, Any],
    expected: list[tuple[str, dict[str, Any]]],
) -> None:
    handler = dynamodb.with_ttl_and_recovery(Recorder().handler(), "http://127.0.0.1:1")

    handler["update"]("physical", old, new, "stack", "Table")

    assert dynamodb_calls == expected


def test_replaced_table_gets_everything_anew(
    dynamodb_calls: list[tuple[str, dict[str, Any]]],
) -> None:
    handler = dynamodb.with_ttl_and_recovery(Recorder().handler(), "http://127.0.0.1:1")

    handler["update"]("before", _ttl("e"), _ttl("e"), "stack", "Table")

    assert dynamodb_calls == [("ttl", {"AttributeName": "e", "Enabled": True})]
