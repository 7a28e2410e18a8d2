"""The first step of an update with a canary: a share of the requests for the new fleet, watched.

As in "Use canary traffic shifting" of the Amazon SageMaker Developer Guide. What differs: the step
lasts MOST_S at most, where AWS's takes WaitIntervalInSeconds; and as this cloud has no metrics of
endpoints, an answer of 5xx from the new fleet counts as an alarm. The alarms that the update names
are looked at as well, so `aws cloudwatch set-alarm-state` can ring one. Linear shifting is not
known: all traffic moves at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.fleet import Fleet
from local.store import Record

MOST_S = 5.0
_POLL_S = 0.2


@dataclass(frozen=True)
class Step:
    """`share` of the requests for `wait_s`; `alarms` are the names of those that end it."""

    share: float
    wait_s: float
    alarms: Sequence[str]


def first_step(deployment: Record | None, variants: Sequence[dict[str, Any]]) -> Step | None:
    """Of a DeploymentConfig that asks for a canary, and the new fleet's variants."""
    policy = (deployment or {}).get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {})
    if routing.get("Type") != "CANARY":
        return None
    size = routing["CanarySize"]
    whole = 100
    if size["Type"] == "INSTANCE_COUNT":
        whole = sum(int(variant.get("InitialInstanceCount", 1)) for variant in variants)
    rollback = (deployment or {}).get("AutoRollbackConfiguration", {})
    names = [alarm["AlarmName"] for alarm in rollback.get("Alarms", ())]
    wait_s = min(float(routing["WaitIntervalInSeconds"]), MOST_S)
    return Step(min(1.0, int(size["Value"]) / whole), wait_s, names)


@dataclass(frozen=True)
class Canary:
    """Two fleets while the new one proves itself."""

    old: Fleet
    new: Fleet
    step: Step

    def pick(self) -> Fleet:
        return self.new if random.random() < self.step.share else self.old

    def watch(self, cloudwatch: Any, closed: Callable[[], bool]) -> str:
        """Blocks until the step is over; why the new fleet is not to take the rest, or ""."""
        until = time.monotonic() + self.step.wait_s
        while time.monotonic() < until and not closed():
            if self.new.server_errors:
                return f"the new fleet has answered {self.new.server_errors} requests with 5xx"
            if ringing := self._ringing(cloudwatch):
                return f"the alarm {ringing} is in the state ALARM"
            time.sleep(_POLL_S)
        return ""

    def _ringing(self, cloudwatch: Any) -> str:
        if not self.step.alarms:
            return ""
        try:
            told = cloudwatch.describe_alarms(AlarmNames=list(self.step.alarms), StateValue="ALARM")
        except (BotoCoreError, ClientError) as error:
            return f"that could not be read ({error})"
        names = [alarm["AlarmName"] for alarm in told.get("MetricAlarms", ())]
        return names[0] if names else ""
