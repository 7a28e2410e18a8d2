"""What ministack does not have, said in words: which operation, and that it is the local cloud that
lacks it.

ministack answers such a request with "Unknown action" or a bare 400, which reads like a fault of
the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from local.errors import AwsError
from local.wire import Response, error_response

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

# In an answer of any of AWS's formats: the operation that ministack lacks ...
_OPERATION = re.compile(
    rb"Unknown (?:\w+ )?(?:action|operation): (\w+)"
    rb"|The action (\w+) is not valid for this endpoint\."
    rb"|Operation '(\w+)' not implemented"
)
# ... and all that it says of a service that it lacks whole.
_SERVICE = re.compile(rb'\{"error": "Unsupported service: [^"]*"\}')
_LARGEST_BYTES = 4096  # of such an answer
_WORDS = (
    "The local cloud does not have {}:{} (ministack, which answers here, knows a part of AWS's "
    "operations)."
)
# The form of AWS's query protocol; the other protocols take JSON.
_XML = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>{}</Message>"
    "</Error></ErrorResponse>"
)


def explaining(send: Send, service: str, operation: str, is_form: bool) -> Send:
    """`send`, which says of an answer "I do not know that" what is not known.

    `service` is the one that the request was signed for; `operation` is what to call the request
    where the answer does not name it; `is_form` is for the query protocol.
    """
    held: list[Message] = []

    async def explained(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (400, 501):
            held.append(message)
            return
        if held:
            start = held.pop()
            body = _explained(message, service, operation, is_form)
            if body is not None:
                message = {**message, "body": body}
                start = _with_length(start, len(body), is_form)
            await send(start)
        await send(message)

    return explained


def unknown(service: str, operation: str, status: int) -> Response:
    return error_response(
        AwsError("UnknownOperationException", _WORDS.format(service, operation), status)
    )


def _explained(message: Message, service: str, operation: str, is_form: bool) -> bytes | None:
    """The body with words of ours in it; None where it is about something else."""
    body: bytes = message.get("body", b"")
    if message.get("more_body") or len(body) > _LARGEST_BYTES:
        return None
    if _SERVICE.fullmatch(body):
        if is_form:
            return _XML.format(_WORDS.format(service, operation)).encode()
        return unknown(service, operation, 400).body
    found = _OPERATION.search(body)
    if found is None:
        return None
    name = found[found.lastindex or 0].decode()
    return body[: found.start()] + _WORDS.format(service, name).encode() + body[found.end() :]


def _with_length(start: Message, length: int, is_form: bool) -> Message:
    headers = {name.lower(): value for name, value in start["headers"]}
    headers[b"content-length"] = str(length).encode()
    if is_form:
        headers[b"content-type"] = b"text/xml"
    return {**start, "headers": list(headers.items())}
