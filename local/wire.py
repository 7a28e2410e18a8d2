"""AWS's JSON 1.1 protocol, driven by botocore's own service models.

A request is checked against the operation's input shape before any of our code sees it, an answer
is cut to the output shape before it leaves: so unmodified boto3, the SDK and the CLI can talk to
it, and nothing of our own bookkeeping leaks out.
"""

from __future__ import annotations

import base64
import functools
import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)
from botocore.validate import ParamValidator

from local.errors import AwsError

logger = logging.getLogger(__name__)

Operation = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Response:
    """A whole HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str]


@functools.cache
def service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def operations(service: str, *owners: object) -> dict[str, Operation]:
    """The owners' methods that are called as the service's operations are: create_model is
    CreateModel.
    """
    names = {xform_name(name): name for name in service_model(service).operation_names}
    return {
        names[method]: getattr(owner, method)
        for owner in owners
        for method in vars(type(owner))
        if method in names
    }


class JsonApi:
    """One JSON 1.1 service: a function for each operation, AWS-shaped dicts in and out."""

    def __init__(self, service: str, operations: Mapping[str, Operation]) -> None:
        self._model = service_model(service)
        self._operations = dict(operations)

    @property
    def operations(self) -> list[str]:
        return sorted(self._operations)

    def handle(self, target: str, body: bytes) -> Response:
        """Answer one request. `target` is the X-Amz-Target header, as in SageMaker.CreateModel."""
        name = target.rpartition(".")[2]
        try:
            return self._answer(name, self.call(name, _parsed(body)))
        except AwsError as error:
            return error_response(error)
        except Exception as error:  # the caller gets an answer, whatever is wrong with us
            service = self._model.service_name
            logger.exception("%s:%s failed", service, name)
            words = f"The local cloud failed in {service}:{name}, its log says how: {error!r}"
            return error_response(AwsError("InternalFailure", words, 500))

    def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Validate and run one operation. Raises AwsError."""
        operation = self._operations.get(name)
        if operation is None:
            raise AwsError(
                "UnknownOperationException",
                f"The local cloud does not have {self._model.service_name}:{name}. "
                f"It has: {', '.join(self.operations)}.",
            )
        shape = self._operation_model(name).input_shape
        if shape is not None:
            validate(params, shape)
        return operation(params)

    def _operation_model(self, name: str) -> OperationModel:
        return self._model.operation_model(name)

    def _answer(self, name: str, result: dict[str, Any]) -> Response:
        shape = self._operation_model(name).output_shape
        shaped = cut_to_shape(result, shape) if shape is not None else {}
        return json_response(200, shaped)


def _parsed(body: bytes) -> Any:
    """Raises AwsError."""
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise AwsError("SerializationException", "The request is not valid JSON.") from error


def json_response(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        status,
        json.dumps(body).encode(),
        {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
        | dict(headers or {}),
    )


def error_response(error: AwsError) -> Response:
    """Both spellings of the message: JSON services read `message`, the runtime's shapes have
    `Message`.
    """
    body = {"__type": error.code, "message": error.message, "Message": error.message, **error.extra}
    return json_response(error.status, body, {"x-amzn-ErrorType": error.code})


def validate(params: Any, shape: Shape) -> None:
    """Raise ValidationException where `params` is not what the shape allows."""
    if not isinstance(params, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object.")
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise AwsError("ValidationException", report.generate_report())
    problems = _constraint_problems(params, shape, "")
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise AwsError("ValidationException", count + "; ".join(problems))


def _constraint_problems(value: Any, shape: Shape, path: str) -> list[str]:
    """What botocore leaves to the service: patterns, enumerations, and what is greatest."""
    if isinstance(shape, StructureShape):
        return [
            problem
            for name, member in value.items()
            for problem in _constraint_problems(
                member, shape.members[name], f"{path}.{_lower_first(name)}".lstrip(".")
            )
        ]
    if isinstance(shape, ListShape):
        return _length_problems(value, shape, path) + [
            problem
            for number, member in enumerate(value, start=1)
            for problem in _constraint_problems(member, shape.member, f"{path}.{number}.member")
        ]
    if isinstance(shape, MapShape):
        return _length_problems(value, shape, path) + [
            problem
            for key, member in value.items()
            for problem in _constraint_problems(key, shape.key, f"{path}.key")
            + _constraint_problems(member, shape.value, f"{path}.{key}.value")
        ]
    if isinstance(shape, StringShape):
        return _string_problems(value, shape, path) + _length_problems(value, shape, path)
    if shape.type_name == "timestamp" and not isinstance(value, int | float):
        # botocore would take text, too
        raise AwsError("SerializationException", f"{path} is not a number of seconds since 1970.")
    greatest = shape.metadata.get("max")
    if shape.type_name in _NUMBERS and greatest is not None and value > greatest:
        return [_failed(value, path) + f"have value less than or equal to {greatest}"]
    return []


_NUMBERS = ("integer", "long", "float", "double")


def _failed(value: Any, path: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: Member must "


def _length_problems(value: Any, shape: Shape, path: str) -> list[str]:
    longest = shape.metadata.get("max")
    if longest is None or len(value) <= longest:
        return []
    return [_failed(value, path) + f"have length less than or equal to {longest}"]


def _string_problems(value: str, shape: StringShape, path: str) -> list[str]:
    failed = _failed(value, path)
    pattern = _compiled(shape.metadata.get("pattern", r"[\s\S]*"))
    problems = []
    if shape.enum and value not in shape.enum:
        problems.append(f"{failed}satisfy enum value set: [{', '.join(shape.enum)}]")
    if pattern and not pattern.fullmatch(value):
        problems.append(f"{failed}satisfy regular expression pattern: {pattern.pattern}")
    return problems


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, or None where it is one that only Java knows (classes like \\p{L})."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def cut_to_shape(value: Any, shape: Shape) -> Any:
    """`value` as JSON 1.1 would carry it: only the shape's members, no nulls, times as seconds
    since 1970.
    """
    if isinstance(shape, StructureShape):
        return {
            name: cut_to_shape(value[name], member)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [cut_to_shape(member, shape.member) for member in value]
    if isinstance(shape, MapShape):
        return {key: cut_to_shape(member, shape.value) for key, member in value.items()}
    if shape.type_name == "timestamp" and isinstance(value, datetime):
        return value.timestamp()
    if shape.type_name == "blob" and isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "boolean": lambda value: str(value).lower() == "true",
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
}


def coerced(service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """CloudFormation's properties as the operation's parameters: numbers out of strings."""
    shape = service_model(service).operation_model(operation).input_shape
    return {**_coerced(params, shape)}


def _coerced(value: Any, shape: Shape | None) -> Any:
    if shape is None:
        return value
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {name: _coerced(member, shape.members.get(name)) for name, member in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_coerced(member, shape.member) for member in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _coerced(member, shape.value) for key, member in value.items()}
    convert = _SCALARS.get(shape.type_name)
    if convert is None or isinstance(value, (dict, list)):
        return value
    try:
        return convert(value)
    except ValueError:
        return value  # the validator names it
