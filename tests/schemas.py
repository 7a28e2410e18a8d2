"""schemas/ as checks: `check("row", row)` fails with what is wrong and where."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).resolve().parents[1] / "schemas"


@cache
def schema(name: str) -> dict[str, Any]:
    """One of schemas/*.json, itself checked."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(content)
    return content


def check(name: str, content: object) -> None:
    """`content` is JSON, or a row of boto3's resource, whose numbers are Decimals."""
    plain = json.loads(json.dumps(content, default=_number))
    faults = [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(schema(name)).iter_errors(plain)
    ]
    assert not faults, "\n".join(faults)


def _number(value: object) -> int | float:
    assert isinstance(value, Decimal)
    return int(value) if value == value.to_integral_value() else float(value)
