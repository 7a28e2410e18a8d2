"""Physical names and property hand-over, the same for all of our resource types."""

from __future__ import annotations

import secrets
import string
from typing import Any

_ALPHABET = string.ascii_letters + string.digits


def physical_name(stack: str, logical_id: str, longest: int = 63) -> str:
    """Like CloudFormation's: stack, logical id, and something random that lets a replacement stand
    beside the old.
    """
    token = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    return f"{stack}-{logical_id}"[: longest - 13].rstrip("-") + f"-{token}"


def only(properties: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: properties[name] for name in names if name in properties}


def refuse_custom_named(name_property: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """CloudFormation's rule: what must be replaced cannot keep a name that the template fixes."""
    name = new.get(name_property)
    if name is not None and name == old.get(name_property):
        raise ValueError(
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
            f"Rename {name} and update the stack again."
        )
