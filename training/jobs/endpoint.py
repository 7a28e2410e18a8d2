"""One photo to the deployed endpoint and its answer back, without the pipeline in between."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from PIL import Image, ImageOps

from training.jobs.errors import CommandError, UsageError

# Below SageMaker's limit for a real-time request (6 MB), and the serverless one (4 MB).
MAX_BODY_BYTES = 3_900_000
# As functions/classify does it: larger than any backbone's input.
SHORT_SIDE_PX = 384
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Answer:
    """`label` None: no dog. `top` is (label, probability), best first."""

    label: str | None
    confidence: float
    top: tuple[tuple[str, float], ...]


def ask(runtime: Any, endpoint: str, photo: Path) -> Answer:
    """Raises UsageError for a file that is no photo, CommandError for an endpoint that fails."""
    try:
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType="application/x-image", Body=_body(photo)
        )
    except ClientError as error:
        raise CommandError(f"The endpoint {endpoint} refused {photo}: {error}") from error
    content = json.loads(answer["Body"].read())
    top = tuple((item["label"], float(item["probability"])) for item in content["top"])
    return Answer(content["label"], float(content["confidence"]), top)


def _body(photo: Path) -> bytes:
    """The file as it is, or a smaller copy where it is too large for one request."""
    try:
        content = photo.read_bytes()
        if len(content) <= MAX_BODY_BYTES:
            return content
        with Image.open(io.BytesIO(content)) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{photo}: cannot be read as a photo: {error}") from error
    scale = SHORT_SIDE_PX / min(upright.size)
    small = upright.resize((round(upright.width * scale), round(upright.height * scale)))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
