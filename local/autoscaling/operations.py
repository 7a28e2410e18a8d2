"""The six operations that CloudFormation and `aws application-autoscaling` need."""

from __future__ import annotations

import time
import uuid
from typing import Any

from local.arns import region_of, request_region
from local.errors import AwsError
from local.settings import ACCOUNT_ID
from local.store import Record, Store

TARGET_KEY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_POLICY_KEY = ("PolicyName", *TARGET_KEY)


class AutoScalingOperations:
    """Each public method is one operation: validated parameters in, its answer's members out."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register_scalable_target(self, params: dict[str, Any]) -> dict[str, Any]:
        key = _key(params, TARGET_KEY)
        with self._store.changing():
            old = self._store["targets"].get(key, {})
            if not old and not {"MinCapacity", "MaxCapacity"} <= params.keys():
                raise AwsError(
                    "ValidationException",
                    "A new scalable target needs MinCapacity and MaxCapacity.",
                )
            new: Record = {
                "ScalableTargetARN": _arn("scalable-target"),
                "RoleARN": "",
                "CreationTime": time.time(),
            }
            record = new | old | params
            if record["MinCapacity"] > record["MaxCapacity"]:
                raise AwsError(
                    "ValidationException", "Maximum capacity cannot be less than minimum capacity."
                )
            self._store["targets"][key] = record
        return {"ScalableTargetARN": record["ScalableTargetARN"]}

    def describe_scalable_targets(self, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params.get("ResourceIds")
        rows = self._in_namespace("targets", params)
        return {
            "ScalableTargets": [row for row in rows if not wanted or row["ResourceId"] in wanted]
        }

    def deregister_scalable_target(self, params: dict[str, Any]) -> dict[str, Any]:
        """A target takes its policies with it, as on AWS."""
        with self._store.changing():
            self._drop("targets", _key(params, TARGET_KEY))
            for key, policy in list(self._store["policies"].items()):
                if _is_here(policy) and _key(policy, TARGET_KEY) == _key(params, TARGET_KEY):
                    del self._store["policies"][key]
        return {}

    def put_scaling_policy(self, params: dict[str, Any]) -> dict[str, Any]:
        key = _key(params, _POLICY_KEY)
        with self._store.changing():
            if _key(params, TARGET_KEY) not in self._store["targets"]:
                raise AwsError(
                    "ObjectNotFoundException", f"No scalable target registered for {_words(params)}"
                )
            old = self._store["policies"].get(key, {})
            record = (
                {"PolicyARN": _arn("scalingPolicy"), "CreationTime": time.time(), "Alarms": []}
                | old
                | params
            )
            self._store["policies"][key] = record
        return {"PolicyARN": record["PolicyARN"], "Alarms": []}

    def describe_scaling_policies(self, params: dict[str, Any]) -> dict[str, Any]:
        rows = self._in_namespace("policies", params)
        names, resource = params.get("PolicyNames"), params.get("ResourceId")
        rows = [row for row in rows if not names or row["PolicyName"] in names]
        return {
            "ScalingPolicies": [
                row for row in rows if not resource or row["ResourceId"] == resource
            ]
        }

    def delete_scaling_policy(self, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.changing():
            self._drop("policies", _key(params, _POLICY_KEY))
        return {}

    def _in_namespace(self, table: str, params: dict[str, Any]) -> list[Record]:
        return [
            row
            for row in self._store.rows(table)
            if _is_here(row) and row["ServiceNamespace"] == params["ServiceNamespace"]
        ]

    def _drop(self, table: str, key: str) -> None:
        if self._store[table].pop(key, None) is None:
            raise AwsError("ObjectNotFoundException", f"Not found: {key}")


def _key(params: dict[str, Any], names: tuple[str, ...]) -> str:
    return "|".join([request_region.get(), *(params[name] for name in names)])


def _is_here(record: Record) -> bool:
    """Whether it is of the request's region."""
    arn = record.get("ScalableTargetARN") or record["PolicyARN"]
    return region_of(arn) == request_region.get()


def _words(params: dict[str, Any]) -> str:
    return ", ".join(params[name] for name in TARGET_KEY)


def _arn(kind: str) -> str:
    return (
        f"arn:aws:application-autoscaling:{request_region.get()}:{ACCOUNT_ID}:{kind}/{uuid.uuid4()}"
    )
