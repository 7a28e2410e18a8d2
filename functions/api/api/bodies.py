"""Bodies of requests, read strictly: what is not asked for is refused with words."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from api.filters import MAX_BREED_CHARS, has_control, has_half
from api.identifiers import MAX_KEY_BYTES
from api.problems import FieldError, ProblemError, bad_body
from api.reviewing import NAMING, Said, Verdict
from api.settings import MAX_UPLOAD_BYTES
from api.uploads import File

MAX_BODY_BYTES = 256 * 1024
MAX_ITEMS = 100
MAX_ID_CHARS = 64
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


def read_json(text: str | None) -> dict[str, Any]:
    """Raises ProblemError 400 or 413."""
    if text is not None and len(text.encode(errors="replace")) > MAX_BODY_BYTES:
        raise ProblemError(413, f"The body is larger than {MAX_BODY_BYTES // 1024} KiB.")
    try:
        body = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "The body is no JSON.") from error
    if not isinstance(body, dict):
        raise bad_body([FieldError("", "must be an object")])
    return body


class _Fields:
    """The members of one object; every one at fault is named."""

    def __init__(self, body: Mapping[str, Any], where: str = "") -> None:
        self._left = dict(body)
        self._where = where
        self.errors: list[FieldError] = []

    def wrong(self, name: str, message: str) -> None:
        self.errors.append(FieldError(self._where + name, message))

    def take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def text(self, name: str, most: int, required: bool = True) -> str | None:
        if name not in self._left and not required:
            return None
        value = self.take(name)
        if isinstance(value, str) and 1 <= len(value) <= most and not has_half(value):
            return value
        self.wrong(name, f"must be text of 1 to {most} characters")
        return None

    def match(self, name: str, pattern: re.Pattern[str], most: int, words: str) -> str:
        value = self.take(name)
        if isinstance(value, str) and len(value) <= most and pattern.fullmatch(value):
            return value
        self.wrong(name, words)
        return ""

    def finish(self) -> None:
        for name in self._left:
            self.wrong(name[:100], "is not asked for")


def read_review(body: Mapping[str, Any]) -> Said:
    fields = _Fields(body)
    said = _said(fields)
    fields.finish()
    if fields.errors or said is None:
        raise bad_body(fields.errors[:20])
    return said


def read_reviews(body: Mapping[str, Any]) -> list[tuple[str, Said]]:
    """By key. Raises ProblemError."""
    items = _items(body, "reviews")
    read: list[tuple[str, Said]] = []
    for number, item in enumerate(items):
        fields = _Fields(item, f"reviews[{number}].")
        key = fields.text("key", MAX_KEY_BYTES)
        if key is None or len(key.encode()) > MAX_KEY_BYTES:
            raise bad_body(fields.errors or [FieldError(f"reviews[{number}].key", "is too long")])
        said = _said(fields)
        fields.finish()
        if fields.errors or said is None:
            raise bad_body(fields.errors[:20])
        read.append((key, said))
    return read


def read_files(body: Mapping[str, Any]) -> list[File]:
    files = []
    errors: list[FieldError] = []
    for number, item in enumerate(_items(body, "files")):
        fields = _Fields(item, f"files[{number}].")
        name = fields.text("name", 255)
        size = fields.take("size")
        if isinstance(size, float) and size.is_integer():
            size = int(size)  # as JSON Schema has it
        if type(size) is not int or not 1 <= size <= MAX_UPLOAD_BYTES:
            fields.wrong("size", f"must be 1 to {MAX_UPLOAD_BYTES} bytes")
        kind = fields.match("content_type", _CONTENT_TYPE, 100, "must look like image/jpeg")
        fields.finish()
        errors += fields.errors
        files.append(File(name or "", size, kind))
    if errors:
        raise bad_body(errors[:20])
    return files


def read_code(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Code, code verifier, redirect URI."""
    fields = _Fields(body)
    code = fields.text("code", 2048)
    verifier = fields.match("code_verifier", _VERIFIER, 128, "must be as RFC 7636 has it")
    redirect_uri = fields.text("redirect_uri", 2048)
    fields.finish()
    if fields.errors or code is None or redirect_uri is None:
        raise bad_body(fields.errors[:20])
    return code, verifier, redirect_uri


def _items(body: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    fields = _Fields(body)
    items = fields.take(name)
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        fields.wrong(name, f"must be a list of 1 to {MAX_ITEMS}")
    elif not all(isinstance(item, dict) for item in items):
        fields.wrong(name, "must be a list of objects")
    fields.finish()
    if fields.errors:
        raise bad_body(fields.errors[:20])
    listed: Sequence[Mapping[str, Any]] = items
    return listed


def _said(fields: _Fields) -> Said | None:
    version = fields.text("version", MAX_ID_CHARS)
    named = fields.take("verdict")
    verdict = Verdict(named) if isinstance(named, str) and named in set(Verdict) else None
    if verdict is None:
        fields.wrong("verdict", f"must be one of {', '.join(Verdict)}")
    breed = fields.text("breed", MAX_BREED_CHARS, required=False)
    if breed is not None and (has_control(breed) or not (breed := breed.strip())):
        fields.wrong("breed", "must be more than spaces, without control characters")
    undoes = fields.text("undoes", MAX_ID_CHARS, required=False)
    if verdict is not None and not fields.errors:
        if (breed is not None) != (verdict in NAMING):
            fields.wrong("breed", f"goes with {' and '.join(NAMING)}, and only with these")
        if undoes is not None and verdict is not Verdict.UNDONE:
            fields.wrong("undoes", "goes with UNDONE only")
    if version is None or verdict is None or fields.errors:
        return None
    return Said(version, verdict, breed, undoes)
