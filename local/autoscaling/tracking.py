"""Target tracking: the instances of an endpoint's variant follow its requests.

The rules are those of "How target tracking scaling for Application Auto Scaling works" (Application
Auto Scaling User Guide) and of the two CloudWatch alarms that AWS makes for a policy: more requests
a minute and instance than the target, three minutes in a row, or fewer than 90 % of it for fifteen
minutes. The new count is in proportion to the requests, rounded up, and stays within the target's
capacities. After a change the policy's cooldown has to pass; a scale-out does not wait for that of
a scale-in.

What differs: a minute lasts MINUTE_S, so that one can watch it. Of the metrics only
SageMakerVariantInvocationsPerInstance is known.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from local.arns import region_of
from local.autoscaling.operations import TARGET_KEY
from local.store import Record, Store

logger = logging.getLogger(__name__)

MINUTE_S = 1.0
METRIC = "SageMakerVariantInvocationsPerInstance"
OUT_MINUTES, IN_MINUTES = 3, 15
_IN_SHARE = 0.9
_DEFAULT_COOLDOWN_S = 300


class Variants(Protocol):
    """Variants of endpoints, named as in "endpoint/dogs/variant/AllTraffic"."""

    def load(self, resource: str, region: str) -> tuple[int, int] | None:
        """Requests since it came into service, and its instances; None if it is not in service."""

    def scale(self, resource: str, region: str, instances: int) -> None:
        """Give it so many instances."""


@dataclass
class Follower:
    """One policy: the load of the last minutes, and the minutes that are left of its cooldowns."""

    tracking: dict[str, Any]
    loads: deque[float] = field(default_factory=lambda: deque(maxlen=IN_MINUTES))
    rest_out: float = 0
    rest_in: float = 0

    def wanted(self, load: float, instances: int) -> int:
        """The instances that a policy wants after one more minute of so many requests."""
        self.loads.append(load)
        self.rest_out, self.rest_in = self.rest_out - 1, self.rest_in - 1
        target = float(self.tracking["TargetValue"])
        recent = list(self.loads)[-OUT_MINUTES:]
        if len(recent) == OUT_MINUTES and min(recent) > target * instances:
            return self._grown(math.ceil(load / target), instances)
        high = max(self.loads)
        if len(self.loads) == IN_MINUTES and high < _IN_SHARE * target * instances:
            return self._shrunk(math.ceil(high / target), instances)
        return instances

    def _grown(self, wanted: int, instances: int) -> int:
        if self.rest_out > 0:
            return instances
        self.rest_out = self._cooldown("ScaleOutCooldown")
        return wanted

    def _shrunk(self, wanted: int, instances: int) -> int:
        if self.rest_in > 0 or self.rest_out > 0 or self.tracking.get("DisableScaleIn"):
            return instances
        self.rest_in = self._cooldown("ScaleInCooldown")
        return min(wanted, instances)

    def _cooldown(self, name: str) -> float:
        return float(self.tracking.get(name, _DEFAULT_COOLDOWN_S)) / 60


class Tracking:
    """Looks at every target once a minute, in a thread of its own."""

    def __init__(self, store: Store, variants: Variants) -> None:
        self._store = store
        self._variants = variants
        self._followers: dict[str, Follower] = {}
        self._asked: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="target-tracking")

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(MINUTE_S):
            try:
                self.minute()
            except Exception:  # nothing else would follow from now on
                logger.exception("the instances of endpoints do not follow their requests")

    def minute(self) -> None:
        """One look at all targets."""
        for target in self._store.rows("targets"):
            if target["ServiceNamespace"] == "sagemaker":
                self._follow(target)

    def _follow(self, target: Record) -> None:
        arn, resource = target["ScalableTargetARN"], target["ResourceId"]
        found = self._variants.load(resource, region_of(arn))
        if found is None:
            self._asked.pop(arn, None)
            return
        asked, instances = found
        # A new fleet begins to count at nothing.
        load = max(0, asked - self._asked.get(arn, asked)) * 60 / MINUTE_S
        self._asked[arn] = asked
        policies = [self._follower(policy) for policy in self._policies(target)]
        # Of several policies the one that wants most is followed, as on AWS.
        wanted = max((each.wanted(load, instances) for each in policies), default=instances)
        wanted = min(max(wanted, target["MinCapacity"]), target["MaxCapacity"])
        if wanted != instances:
            logger.info("%s: %d instances, %.0f requests a minute", resource, wanted, load)
            self._variants.scale(resource, region_of(arn), wanted)

    def _policies(self, target: Record) -> list[Record]:
        return [
            policy
            for policy in self._store.rows("policies")
            if all(policy[name] == target[name] for name in TARGET_KEY)
            and region_of(policy["PolicyARN"]) == region_of(target["ScalableTargetARN"])
            and _metric(policy) == METRIC
        ]

    def _follower(self, policy: Record) -> Follower:
        tracking = policy["TargetTrackingScalingPolicyConfiguration"]
        follower = self._followers.setdefault(policy["PolicyARN"], Follower(tracking))
        follower.tracking = tracking
        return follower


def _metric(policy: Record) -> str | None:
    tracking: Record = policy.get("TargetTrackingScalingPolicyConfiguration", {})
    name: str | None = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    return name
