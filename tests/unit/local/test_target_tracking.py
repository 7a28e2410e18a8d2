"""The instances of a variant follow its requests, minute by minute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.autoscaling.operations import AutoScalingOperations
from local.autoscaling.tracking import METRIC, MINUTE_S, Tracking
from local.store import Store
from tests import scaling

TARGET = scaling.target("dogs")
FOLLOWED = 200


class Variant:
    """One variant, by the protocol of the endpoints."""

    def __init__(self, instances: int) -> None:
        self.requests = 0.0
        self.instances = instances
        self.in_service = True

    def load(self, resource: str, region: str) -> tuple[int, int] | None:
        assert (resource, region) == (TARGET["ResourceId"], "us-east-1")
        return (round(self.requests), self.instances) if self.in_service else None

    def scale(self, resource: str, region: str, instances: int) -> None:
        self.instances = instances


class World:
    """A tracked variant whose minutes pass one by one."""

    def __init__(self, folder: Path) -> None:
        store = Store(folder / "autoscaling.json", "targets", "policies")
        self.api = AutoScalingOperations(store)
        self.api.register_scalable_target(TARGET | {"MinCapacity": 1, "MaxCapacity": 4})
        self.variant = Variant(1)
        self.tracking = Tracking(store, self.variant)
        self.policy()

    def policy(self, metric: str = METRIC, **changes: Any) -> None:
        tracking = {
            "TargetValue": FOLLOWED,
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            "ScaleOutCooldown": 60,
            "ScaleInCooldown": 300,
        }
        self.api.put_scaling_policy(
            TARGET
            | {"PolicyName": "load", "PolicyType": "TargetTrackingScaling"}
            | {"TargetTrackingScalingPolicyConfiguration": tracking | changes}
        )

    def minutes(self, *requests_a_minute: float) -> list[int]:
        """The instances after each of them."""
        found = []
        for requests in requests_a_minute:
            self.variant.requests += requests * MINUTE_S / 60
            self.tracking.minute()
            found.append(self.variant.instances)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.minutes(0)
    return world


def test_instances_come_after_three_minutes_above_the_target(world: World) -> None:
    assert world.minutes(600, 600, 600) == [1, 1, 3]


def test_one_quiet_minute_begins_the_three_anew(world: World) -> None:
    assert world.minutes(600, 600, 180, 600, 600) == [1, 1, 1, 1, 1]


def test_there_are_never_more_than_the_maximum(world: World) -> None:
    assert world.minutes(*[6000] * 3) == [1, 1, 4]


def test_instances_go_after_fifteen_quiet_minutes_and_not_below_the_minimum(world: World) -> None:
    world.minutes(*[600] * 3)
    assert world.minutes(*[0] * 15) == [3] * 14 + [1]


def test_load_within_the_target_changes_nothing(world: World) -> None:
    world.minutes(*[600] * 3)
    # 95 % of what three instances are to have.
    assert world.minutes(*[570] * 20) == [3] * 20


def test_less_load_takes_some_of_them(world: World) -> None:
    world.minutes(*[780] * 3)
    assert world.minutes(*[360] * 15)[-1] == 2


def test_scale_in_rests_for_its_cooldown(world: World) -> None:
    world.policy(ScaleInCooldown=20 * 60)
    # The cooldown of a scale-out is another one.
    assert world.minutes(*[780] * 3)[-1] == 4
    assert world.minutes(*[540] * 15)[-1] == 3
    assert world.minutes(*[0] * 20) == [3] * 19 + [1]


def test_new_fleet_counts_from_nothing(world: World) -> None:
    world.minutes(600, 600)
    world.variant.requests = 0
    assert world.minutes(0, 600, 600, 600) == [1, 1, 1, 3]


def test_endpoint_that_is_not_in_service_is_left_alone(world: World) -> None:
    world.minutes(*[600] * 3)
    world.variant.in_service = False
    world.api.register_scalable_target(TARGET | {"MaxCapacity": 2})
    assert world.minutes(0) == [3]
    world.variant.in_service = True
    # And then is within its new bounds.
    assert world.minutes(0) == [2]


def test_scale_in_can_be_switched_off(world: World) -> None:
    world.policy(DisableScaleIn=True)
    world.minutes(*[600] * 3)
    assert world.minutes(*[0] * 20)[-1] == 3


def test_other_metrics_change_nothing(world: World) -> None:
    world.policy(metric="SageMakerVariantConcurrentRequestsPerModelHighResolution")
    assert world.minutes(*[600] * 5) == [1] * 5
