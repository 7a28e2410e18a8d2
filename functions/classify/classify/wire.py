"""The endpoint's wire format: requests built, answers checked and typed. No AWS client.

`{"instances": [{"b64": ...}]}` -> `{"model": {...}, "predictions": [...]}` in request order.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classify.errors import RetryableError

# Well below SageMaker's limit of a real-time request; base64 included.
MAX_BODY_BYTES = 4_000_000
_HEAD, _ITEM, _TAIL = b'{"instances":[', b'{"b64":"%s"}', b"]}"
# Longer texts are no labels; DynamoDB refuses index keys over 1 kB, and empty ones.
_MAX_NAME_CHARS = 200


@dataclass(frozen=True)
class Prediction:
    """`breed` None: no dog. `top` is (label, probability), best first.

    `novelty`: the share of photos of known breeds that look less strange to the model. `unknown`: a
    dog, but of none of its breeds; `breed` is the nearest one then.
    """

    breed: str | None
    confidence: float
    top: tuple[tuple[str, float], ...]
    dog_probability: float | None = None
    novelty: float | None = None
    unknown: bool = False


@dataclass(frozen=True)
class Refusal:
    """The model's word on one photo it could not take."""

    code: str
    message: str


@dataclass(frozen=True)
class Answer:
    """`predictions` has one item a photo, in the order they were sent."""

    predictions: tuple[Prediction | Refusal, ...]
    model_version: str
    variant: str


def split(jpegs: Sequence[bytes]) -> list[range]:
    """Runs of indices whose request bodies stay within MAX_BODY_BYTES, each as long as can be."""
    runs, start, size = [], 0, len(_HEAD) + len(_TAIL)
    for index, jpeg in enumerate(jpegs):
        item = len(_ITEM) - 2 + 4 * math.ceil(len(jpeg) / 3) + 1
        if index > start and size + item > MAX_BODY_BYTES:
            runs.append(range(start, index))
            start, size = index, len(_HEAD) + len(_TAIL)
        size += item
    return [*runs, range(start, len(jpegs))] if jpegs else []


def request_body(jpegs: Sequence[bytes]) -> bytes:
    return _HEAD + b",".join(_ITEM % base64.b64encode(jpeg) for jpeg in jpegs) + _TAIL


def read_answer(text: bytes, count: int, variant: str) -> Answer:
    """Raises RetryableError when the answer is not what was agreed."""
    try:
        answer = json.loads(text)
        predictions = tuple(_read_prediction(item) for item in answer["predictions"])
        if len(predictions) != count:
            raise ValueError(f"{len(predictions)} predictions for {count} photos")
        return Answer(predictions, _name(answer["model"]["version"]), variant)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RetryableError(
            f"the endpoint's answer is not what was agreed: {type(error).__name__}: {error}"
        ) from error


def _read_prediction(item: Mapping[str, Any]) -> Prediction | Refusal:
    if "error" in item:
        return Refusal(str(item["error"]["code"]), str(item["error"]["message"]))
    breed = None if item["label"] is None else _name(item["label"])
    novelty = _probability(item["novelty"]) if "novelty" in item else None
    unknown = item.get("unknown", False)
    if not isinstance(unknown, bool):
        raise ValueError(f"unknown must be true or false, not {unknown!r}")
    if unknown and (breed is None or novelty is None):
        raise ValueError("unknown goes with a label and a novelty")
    return Prediction(
        breed=breed,
        confidence=_probability(item["confidence"]),
        top=tuple(
            (_name(each["label"]), _probability(each["probability"])) for each in item["top"]
        ),
        dog_probability=_probability(item["dog_probability"])
        if "dog_probability" in item
        else None,
        novelty=novelty,
        unknown=unknown,
    )


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME_CHARS:
        raise ValueError(f"a name must be a text of 1 to {_MAX_NAME_CHARS} characters")
    return value


def _probability(value: object) -> float:
    # Softmax in single precision may pass 1 by a rounding error. NaN fails the comparison.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not -1e-4 <= value <= 1 + 1e-4
    ):
        raise ValueError(f"not a probability: {value!r}")
    return min(1.0, max(0.0, float(value)))
