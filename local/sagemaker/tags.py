"""Tags, which the SDK puts on what it makes."""

from __future__ import annotations

from typing import Any

from local.store import Store

TABLE = "tags"


def put(store: Store, resource_arn: str, tags: list[dict[str, str]]) -> None:
    """A key that is there already gets the new value."""
    with store.changing():
        kept = store[TABLE].setdefault(resource_arn, {})
        kept |= {tag["Key"]: tag["Value"] for tag in tags}


class TagOperations:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add_tags(self, params: dict[str, Any]) -> dict[str, Any]:
        put(self._store, params["ResourceArn"], params["Tags"])
        return self.list_tags(params)

    def list_tags(self, params: dict[str, Any]) -> dict[str, Any]:
        tags = self._store[TABLE].get(params["ResourceArn"], {})
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
