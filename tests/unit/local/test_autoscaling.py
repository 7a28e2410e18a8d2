"""Scalable targets and their policies, as the template's stack makes and deletes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.arns import request_region
from local.autoscaling.operations import AutoScalingOperations
from local.errors import AwsError
from local.store import Store
from tests import scaling

TARGET = scaling.target("dogs")
POLICY = TARGET | {"PolicyName": "load", "PolicyType": "TargetTrackingScaling"}


@pytest.fixture
def api(tmp_path: Path) -> AutoScalingOperations:
    return AutoScalingOperations(Store(tmp_path / "autoscaling.json", "targets", "policies"))


def _targets(api: AutoScalingOperations, **wanted: Any) -> list[dict[str, Any]]:
    listed = api.describe_scalable_targets({"ServiceNamespace": "sagemaker", **wanted})
    targets: list[dict[str, Any]] = listed["ScalableTargets"]
    return targets


def test_target_is_registered_changed_and_taken_away_with_its_policies(
    api: AutoScalingOperations,
) -> None:
    first = api.register_scalable_target(TARGET | {"MinCapacity": 1, "MaxCapacity": 4})
    api.put_scaling_policy(POLICY)

    changed = api.register_scalable_target(TARGET | {"MaxCapacity": 8})

    assert changed == first
    (target,) = _targets(api)
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 8)
    assert _targets(api, ResourceIds=["endpoint/cats/variant/AllTraffic"]) == []
    policies = api.describe_scaling_policies({"ServiceNamespace": "sagemaker"})
    assert [policy["PolicyName"] for policy in policies["ScalingPolicies"]] == ["load"]

    api.deregister_scalable_target(TARGET)
    assert _targets(api) == []
    assert api.describe_scaling_policies({"ServiceNamespace": "sagemaker"}) == {
        "ScalingPolicies": []
    }


def test_regions_are_kept_apart(api: AutoScalingOperations) -> None:
    # GIVEN the same target in two regions
    for region in ("eu-west-1", "us-east-1"):
        request_region.set(region)
        api.register_scalable_target(TARGET | {"MinCapacity": 1, "MaxCapacity": 4})
        api.put_scaling_policy(POLICY)
    # WHEN it is taken away in one
    request_region.set("eu-west-1")
    api.deregister_scalable_target(TARGET)
    # THEN the other keeps its own, and its policy
    assert _targets(api) == []
    request_region.set("us-east-1")
    assert len(_targets(api)) == 1
    policies = api.describe_scaling_policies({"ServiceNamespace": "sagemaker"})
    assert len(policies["ScalingPolicies"]) == 1


@pytest.mark.parametrize(
    ("capacity", "words"),
    [
        ({}, "needs MinCapacity and MaxCapacity"),
        ({"MinCapacity": 1}, "needs MinCapacity and MaxCapacity"),
        ({"MinCapacity": 3, "MaxCapacity": 2}, "Maximum capacity cannot be less than minimum"),
    ],
)
def test_target_that_cannot_be_is_refused_and_not_kept(
    api: AutoScalingOperations, capacity: dict[str, int], words: str
) -> None:
    with pytest.raises(AwsError, match=words):
        api.register_scalable_target(TARGET | capacity)

    assert _targets(api) == []


def test_policy_without_its_target_is_refused(api: AutoScalingOperations) -> None:
    with pytest.raises(AwsError, match="No scalable target registered") as raised:
        api.put_scaling_policy(POLICY)

    assert raised.value.code == "ObjectNotFoundException"
