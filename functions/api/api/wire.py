"""DynamoDB's wire: numbers are Decimal here."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def serialized(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case list():
            return {"L": [serialized(item) for item in value]}
        case Mapping():
            return {"M": {name: serialized(item) for name, item in value.items()}}
    raise TypeError(f"rows hold no {type(value).__name__}")


def item_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: serialized(value) for name, value in row.items()}


def value_of(wire: Mapping[str, Any]) -> Any:
    ((kind, value),) = wire.items()
    match kind:
        case "N":
            return Decimal(value)
        case "M":
            return row_of(value)
        case "L":
            return [value_of(item) for item in value]
    return value


def row_of(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value_of(value) for name, value in item.items()}
