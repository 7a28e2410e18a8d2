"""AWS::CloudWatch::Alarm with metric math, which ministack refuses.

The alarm is made, so that the stack and whatever names the alarm are complete, but it watches a
metric that never gets a value: it stays in INSUFFICIENT_DATA and says so in its description. Other
alarms pass unchanged.
"""

from __future__ import annotations

from typing import Any

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]
_NOT_EVALUATED = "(Metric math is not evaluated in the local cloud.)"


def with_metric_math(handler: dict[str, Any]) -> dict[str, Any]:
    """The same handler, given a stand-in for each metric-math alarm."""

    def create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
        provisioned: Provisioned = handler["create"](logical_id, _plain(properties), stack)
        return provisioned

    def update(physical_id: str, old: Properties, new: Properties, *rest: str) -> Provisioned:
        provisioned: Provisioned = handler["update"](physical_id, _plain(old), _plain(new), *rest)
        return provisioned

    return handler | {"create": create, "update": update}


def _plain(properties: Properties) -> Properties:
    if not properties.get("Metrics"):
        return properties
    kept = {name: value for name, value in properties.items() if name != "Metrics"}
    description = f"{properties.get('AlarmDescription', '')} {_NOT_EVALUATED}".strip()
    return kept | {
        "AlarmDescription": description,
        "Namespace": "Local/NotEvaluated",
        "MetricName": "MetricMath",
        "TreatMissingData": "missing",
    }
