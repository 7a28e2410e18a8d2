"""Where uploads go: keys of our choosing, and forms that hold for one file each."""

import re
import secrets
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.identifiers import id_of

PREFIX = "uploads/"
FORM_VALID_S = 3600
MAX_NAME_CHARS = 80


@dataclass(frozen=True)
class File:
    name: str
    size: int
    content_type: str


# key, size, content type -> the form's fields
Sign = Callable[[str, int, str], dict[str, str]]


def forms(files: Sequence[File], now: datetime, url: str, sign: Sign) -> list[dict[str, Any]]:
    made = []
    for file in files:
        key = f"{PREFIX}{now:%Y-%m-%d}/{secrets.token_hex(4)}-{clean(file.name)}"
        fields = sign(key, file.size, file.content_type)
        made.append({"key": key, "id": id_of(key), "url": url, "fields": fields})
    return made


def clean(name: str) -> str:
    """A name without folders, of letters that no tool trips over; its end is kept."""
    last = re.split(r"[/\\]", name)[-1]
    ascii_name = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_name).strip("-.")
    return kept[-MAX_NAME_CHARS:].lstrip("-.") or "photo"


def post_fields(s3: Any, bucket: str, key: str, size: int, content_type: str) -> dict[str, str]:
    """The policy holds the key, the size to the byte and the content type."""
    answer = s3.generate_presigned_post(
        Bucket=bucket,
        Key=key,
        Fields={"Content-Type": content_type, "success_action_status": "204"},
        Conditions=[
            {"Content-Type": content_type},
            {"success_action_status": "204"},
            ["content-length-range", size, size],
        ],
        ExpiresIn=FORM_VALID_S,
    )
    fields: dict[str, str] = answer["fields"]
    return fields
