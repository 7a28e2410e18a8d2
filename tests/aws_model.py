"""Checks a request against botocore's service model: members, types, enums, patterns, limits."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator


@cache
def _service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(name)


def problems(service: str, operation: str, parameters: dict[str, Any]) -> list[str]:
    """What AWS would refuse in the request, as far as its published model says."""
    shape = _service(service).operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    found = [report.generate_report()] if report.has_errors() else []
    return found + list(_walk(shape, parameters, operation))


def _walk(shape: Shape, value: Any, where: str) -> list[str]:
    """botocore's own validator leaves enums, patterns and upper limits to the service."""
    if shape.type_name == "structure":
        return [
            problem
            for name, item in value.items()
            if name in shape.members
            for problem in _walk(shape.members[name], item, f"{where}.{name}")
        ]
    if shape.type_name == "list":
        inner = [
            problem
            for index, item in enumerate(value)
            for problem in _walk(shape.member, item, f"{where}[{index}]")
        ]
        return inner + _limits(shape, len(value), where)
    if shape.type_name == "map":
        inner = [
            problem
            for key, item in value.items()
            for problem in (
                *_walk(shape.key, key, f"{where} key {key}"),
                *_walk(shape.value, item, f"{where}[{key}]"),
            )
        ]
        return inner + _limits(shape, len(value), where)
    if shape.type_name == "string":
        return _text(shape, value, where) + _limits(shape, len(value), where)
    return _limits(shape, value, where) if shape.type_name in ("integer", "long") else []


def _text(shape: Shape, value: str, where: str) -> list[str]:
    found = []
    if shape.enum and value not in shape.enum:
        found.append(f"{where}: {value!r} is not one of {shape.enum}")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(_for_python(pattern), value):
        found.append(f"{where}: {value!r} does not match {pattern}")
    return found


def _for_python(pattern: str) -> str:
    """A tag's pattern names Unicode's classes of characters, which Python has no syntax for."""
    return pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", r"\d").replace(r"\p{Z}", r"\s")


def _limits(shape: Shape, size: float, where: str) -> list[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        return [f"{where}: {size} is not between {low} and {high}"]
    return []
