"""Operations that ministack lacks, in each format that it says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from local.refusals import explaining, unknown

LACKS = "The local cloud does not have {} (ministack, which answers here"


def _sent(
    status: int, *bodies: bytes, is_form: bool = False
) -> tuple[MutableMapping[str, Any], bytes]:
    """The start and the whole body of what comes out for ministack's answer."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def answer() -> None:
        explained = explaining(send, "sns", "Guess", is_form)
        headers = [(b"Content-Length", str(sum(map(len, bodies))).encode()), (b"X-Id", b"7")]
        await explained({"type": "http.response.start", "status": status, "headers": headers})
        for number, body in enumerate(bodies, start=1):
            more = number < len(bodies)
            await explained({"type": "http.response.body", "body": body, "more_body": more})

    asyncio.run(answer())
    start, *rest = sent
    return start, b"".join(message["body"] for message in rest)


@pytest.mark.parametrize(
    "words",
    [
        "Unknown action: Dance",
        "Unknown operation: Dance",
        "Unknown EC2 action: Dance",
        "The action Dance is not valid for this endpoint.",
        "Operation 'Dance' not implemented",
    ],
)
@pytest.mark.parametrize("status", [400, 501])
def test_operation_that_is_lacking_is_named_in_the_answers_own_format(
    words: str, status: int
) -> None:
    for form in ('{"__type": "InvalidAction", "message": "%s"}', "<E><M>%s</M></E>"):
        start, body = _sent(status, (form % words).encode())

        assert LACKS.format("sns:Dance") in body.decode()
        assert start["status"] == status
        assert dict(start["headers"]) == {
            b"content-length": str(len(body)).encode(),
            b"x-id": b"7",
        }
        if form.startswith("{"):
            assert json.loads(body)["__type"] == "InvalidAction"


def test_service_that_is_lacking_is_named_in_the_callers_format() -> None:
    lacking = b'{"error": "Unsupported service: sns"}'

    _, body = _sent(400, lacking)
    assert json.loads(body)["__type"] == "UnknownOperationException"
    assert json.loads(body)["message"].startswith(LACKS.format("sns:Guess"))

    start, body = _sent(400, lacking, is_form=True)
    assert body.startswith(b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code>")
    assert LACKS.format("sns:Guess") in body.decode()
    assert dict(start["headers"])[b"content-type"] == b"text/xml"


@pytest.mark.parametrize(
    ("status", "bodies"),
    [
        (200, (b"Unknown action: Dance",)),
        (404, (b"Unknown action: Dance",)),
        (400, (b'{"message": "Unknown parameter: Dance"}',)),
        (400, (b'{"error": "Unsupported service: sns", "more": 1}',)),
        (400, (b"Unknown action: ", b"Dance")),
        (400, (b"Unknown action: Dance" + b" " * 5000,)),
        (400, (b"",)),
    ],
)
def test_any_other_answer_passes_as_it_is(status: int, bodies: tuple[bytes, ...]) -> None:
    start, body = _sent(status, *bodies)

    assert body == b"".join(bodies)
    assert start["status"] == status
    assert start["headers"][0] == (b"Content-Length", str(len(body)).encode())


def test_path_of_the_runtime_that_is_not_there_is_named() -> None:
    answer = unknown("sagemaker", "GET /endpoints", 404)

    assert answer.status == 404
    assert LACKS.format("sagemaker:GET /endpoints") in json.loads(answer.body)["message"]
