"""Tags: those of a request that makes something, and those that are added later."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from local.store import Store
from local.wire import Operation

TABLE = "tags"


def put(store: Store, resource_arn: str, tags: list[dict[str, str]]) -> None:
    """A key that is there already gets the new value."""
    with store.changing():
        kept = store[TABLE].setdefault(resource_arn, {})
        kept |= {tag["Key"]: tag["Value"] for tag in tags}


def kept(store: Store, operations: Mapping[str, Operation]) -> dict[str, Operation]:
    """The operations, of which every Create... puts the tags of its request on what it made."""
    return {
        name: partial(_tagged, store, call) if name.startswith("Create") else call
        for name, call in operations.items()
    }


def _tagged(store: Store, create: Operation, params: dict[str, Any]) -> dict[str, Any]:
    answer = create(params)
    if params.get("Tags"):
        (arn,) = (value for name, value in answer.items() if name.endswith("Arn"))
        put(store, arn, params["Tags"])
    return answer


class TagOperations:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add_tags(self, params: dict[str, Any]) -> dict[str, Any]:
        put(self._store, params["ResourceArn"], params["Tags"])
        return self.list_tags(params)

    def list_tags(self, params: dict[str, Any]) -> dict[str, Any]:
        tags = self._store[TABLE].get(params["ResourceArn"], {})
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
