"""One photo to the deployed endpoint and its answer back, without the pipeline in between."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from photo_reader import PhotoError
from photo_reader.wire_copy import wire_copy
from training.jobs.errors import CommandError, UsageError


@dataclass(frozen=True)
class EndpointAnswer:
    """`label` None: no dog. `top` is (label, probability), best first.

    `novelty`: the share of photos of known breeds that look less strange to the model, None where
    it does not tell. `unknown`: a dog, but of none of its breeds; `label` is the nearest one then.
    """

    label: str | None
    confidence: float
    top: tuple[tuple[str, float], ...]
    novelty: float | None = None
    unknown: bool = False

    @property
    def breed(self) -> str | None:
        """What the row has as its breed."""
        return None if self.unknown else self.label

    @property
    def words(self) -> str:
        """For people."""
        if self.unknown:
            return f"UNKNOWN_BREED, nearest {self.label}"
        return self.label or "no dog"


def ask(runtime: Any, endpoint: str, photo: Path) -> EndpointAnswer:
    """Raises UsageError for a file that is no photo, CommandError for an endpoint that fails."""
    try:
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType="application/x-image", Body=_body(photo)
        )
    except ClientError as error:
        raise CommandError(f"The endpoint {endpoint} refused {photo}: {error}") from error
    content = json.loads(answer["Body"].read())
    top = tuple((item["label"], float(item["probability"])) for item in content["top"])
    return EndpointAnswer(
        content["label"], float(content["confidence"]), top,
        content.get("novelty"), content.get("unknown", False),
    )  # fmt: skip


def _body(photo: Path) -> bytes:
    """The small copy that the function would send: within every endpoint's limits."""
    try:
        content = photo.read_bytes()
    except OSError as error:
        raise UsageError(f"{photo}: cannot be opened: {error.strerror}") from error
    try:
        return wire_copy(content).jpeg
    except PhotoError as error:
        raise UsageError(f"{photo}: {error}") from error
    except (MemoryError, OSError) as error:
        words = str(error) or type(error).__name__
        raise CommandError(f"{photo}: this machine could not read it: {words}") from error
