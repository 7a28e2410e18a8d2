"""Answers: JSON, problems, lists with their ETag, and what every answer carries."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie

from api.presenting import plain
from api.problems import ProblemError

JSON = "application/json"
PROBLEM = "application/problem+json"
NO_STORE = {"cache-control": "no-store"}
# Asked about again each time, and mostly answered with 304.
REVALIDATED = {"cache-control": "private, no-cache"}
LEAST_TO_COMPRESS = 1000
_COMPRESSED = ("text/", "application/json", "application/manifest+json", "image/svg+xml")


def text_of(body: Any) -> str:
    return json.dumps(body, default=plain, ensure_ascii=False, separators=(",", ":"))


def answer(
    body: Any,
    status: int = 200,
    headers: Mapping[str, str] = NO_STORE,
    cookies: list[Cookie] | None = None,
) -> Response[Any]:
    return Response(status, JSON, text_of(body), dict(headers), cookies)


def problem(error: ProblemError) -> Response[Any]:
    headers = dict(NO_STORE) | ({"retry-after": "2"} if error.status == 503 else {})
    return Response(error.status, PROBLEM, text_of(error.body()), headers)


def etag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def revalidated(body: Any, same: Any, if_none_match: str) -> Response[Any]:
    """304 when the caller has it. `same`: what has to change before the answer counts as new."""
    etag = etag_of(text_of(same).encode())
    return tagged(text_of(body), JSON, etag, if_none_match, REVALIDATED)


def tagged(
    body: str | bytes, kind: str, etag: str, if_none_match: str, headers: Mapping[str, str]
) -> Response[Any]:
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    known = {f'{each[:-6]}"' if each.endswith('-gzip"') else each for each in known}
    headers = {**headers, "etag": etag}
    if etag in known:
        return Response(304, None, "", headers)
    return Response(200, kind, body, headers)


def finish(
    result: dict[str, Any], request_headers: Mapping[str, str], common: Mapping[str, str]
) -> dict[str, Any]:
    """Common headers, and gzip for who takes it: the gateway does not compress."""
    headers = {name.lower(): value for name, value in result.get("headers", {}).items()}
    kind = headers.get("content-type", "")
    if not kind:
        headers.pop("content-type", None)
    if kind.startswith(_COMPRESSED) and result.get("body"):
        headers["vary"] = "accept-encoding"
        body = _bytes(result)
        if "gzip" in request_headers.get("accept-encoding", "") and len(body) >= LEAST_TO_COMPRESS:
            # Another representation is another strong ETag.
            if "etag" in headers:
                headers["etag"] = headers["etag"][:-1] + '-gzip"'
            headers["content-encoding"] = "gzip"
            packed = gzip.compress(body, 6, mtime=0)
            result = result | {"body": base64.b64encode(packed).decode(), "isBase64Encoded": True}
    return result | {"headers": {**common, **headers}}


def _bytes(result: Mapping[str, Any]) -> bytes:
    body: str = result["body"]
    return base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
