"""The endpoint's wire format: request bodies in, JSON answers out."""

import base64
import binascii
import json
from http import HTTPStatus
from typing import Any

from serving.images import ImageError
from serving.model import Prediction
from serving.package import Manifest


class RequestError(Exception):
    """The whole request is answered with an error; the status tells whose fault it is."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_request(message: str) -> RequestError:
    """400: the body is not what the wire format asks for."""
    return RequestError(HTTPStatus.BAD_REQUEST, "BAD_REQUEST", message)


def read_instances(body: bytes, limit: int) -> list[str]:
    """{"instances": [{"b64": "..."}, ...]} -> the base64 texts; raises RequestError (400)."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is not JSON: {error}") from error
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list) or not instances:
        raise bad_request('expected {"instances": [{"b64": "..."}, ...]} with at least one image')
    if len(instances) > limit:
        raise bad_request(f"{len(instances)} instances, the limit is {limit} a request")
    texts: list[str] = []
    for index, item in enumerate(instances):
        text = item.get("b64") if isinstance(item, dict) else None
        if not isinstance(text, str):
            raise bad_request(f'instance {index} is not an object with a "b64" string')
        texts.append(text)
    return texts


def read_base64(text: str) -> bytes:
    """Strict base64: standard alphabet, padded, nothing else; raises ImageError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError("BAD_BASE64", f"the image is not base64: {error}") from error


def model_json(manifest: Manifest) -> dict[str, str]:
    """Which model answered."""
    return {"name": manifest.name, "version": manifest.version}


def outcome_json(outcome: Prediction | ImageError) -> dict[str, Any]:
    """One image's answer: its prediction, or why there is none."""
    if isinstance(outcome, ImageError):
        return error_json(outcome.code, outcome.message)
    answer: dict[str, Any] = {"label": outcome.label, "confidence": outcome.confidence}
    if outcome.dog_probability is not None:
        answer["dog_probability"] = outcome.dog_probability
    if outcome.novelty is not None:
        answer["novelty"] = outcome.novelty
    if outcome.unknown:
        answer["unknown"] = True
    answer["top"] = [{"label": name, "probability": value} for name, value in outcome.top]
    return answer


def error_json(code: str, message: str) -> dict[str, Any]:
    """The one shape of errors, for an image and for a whole request."""
    return {"error": {"code": code, "message": message}}
