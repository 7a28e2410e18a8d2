"""Which requests the cloud's port takes, header by header."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from local.door import Authority, refusal
from local.gateway import Gateway

HERE = "127.0.0.1:4566"
OURS = f"http://{HERE}"


def _refusal(target: str = "/", host: str | None = HERE, **headers: str) -> str | None:
    pairs = [(b"host", host.encode())] if host is not None else []
    pairs += [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return refusal(target, pairs)


@pytest.mark.parametrize(
    "host",
    [
        HERE,
        "127.0.0.1",
        "localhost:4566",
        "LOCALHOST:4566",
        "[::1]:4566",
        "127.1.2.3:80",
        "my-photos.localhost:4566",
        "my.photos.s3.us-east-1.localhost:4566",
        "a1b2c3d4.execute-api.127.0.0.1:4566",
    ],
)
def test_host_that_names_this_machine_passes(host: str) -> None:
    assert _refusal(host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:4566",
        "127.0.0.1.evil.example:4566",
        "localhost.evil.example",
        "notlocalhost:4566",
        "evil127.0.0.1:4566",
        "127.0.0.1@evil.example",
        "evil.example, 127.0.0.1",
        "127.0.0.1:4566, evil.example",
        "0.0.0.0:4566",
        "192.168.1.7:4566",
        "169.254.169.254",
        "[::]:4566",
        "[fe80::1]",
        "127.0.0.1:99999999",
        "127.0.0.1:",
        "",
        "ü",
    ],
)
def test_host_of_another_name_is_refused_by_name(host: str) -> None:
    words = _refusal(host=host)

    assert words is not None
    assert "Host header" in words


def test_request_with_no_host_or_with_two_is_refused() -> None:
    assert _refusal(host=None) is not None
    assert refusal("/", [(b"host", b"127.0.0.1"), (b"Host", b"127.0.0.1")]) is not None


@pytest.mark.parametrize("target", ["http://127.0.0.1:4566/", "*", "127.0.0.1:80", "", "evil"])
def test_target_that_is_no_path_is_refused(target: str) -> None:
    words = _refusal(target)

    assert words is not None
    assert "not a proxy" in words


@pytest.mark.parametrize("origin", [OURS, "http://localhost:4566", "http://photos.localhost:4566"])
def test_page_of_the_same_port_passes(origin: str) -> None:
    assert _refusal(origin=origin) is None
    assert _refusal(origin=origin, sec_fetch_site="cross-site") is None  # localhost to 127.0.0.1
    assert _refusal(referer=f"{origin}/bucket/page.html?a=b") is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:4566",
        "http://127.0.0.1:8888",  # another program of this machine
        "http://localhost",
        "https://127.0.0.1:4566",
        "http://127.0.0.1:4566.evil.example",
        "http://evil.example@127.0.0.1:4566",
        "http://[::1",
        "null",
        "file://",
        "chrome-extension://abcdefghijklmnop",
        "",
    ],
)
def test_page_of_another_origin_is_refused(origin: str) -> None:
    assert _refusal(origin=origin) is not None
    assert _refusal(origin=origin, sec_fetch_site="none") is not None
    if origin:
        assert _refusal(referer=f"{origin}/page") is not None


def test_one_foreign_origin_among_two_is_refused() -> None:
    both = [(b"host", HERE.encode()), (b"origin", b"http://evil.example")]

    assert refusal("/", [*both, (b"Origin", OURS.encode())]) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_image_of_a_foreign_page_is_refused_though_it_has_no_origin(site: str) -> None:
    assert _refusal(sec_fetch_site=site) is not None
    # what a page of ours embedded may have been sent on by a foreign server
    assert _refusal(sec_fetch_site=site, referer=OURS) is not None


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_own_image_and_typed_address_pass(site: str) -> None:
    assert _refusal(sec_fetch_site=site) is None
    assert _refusal(sec_fetch_site=site, referer="http://elsewhere.example/") is None


def test_own_form_that_hides_its_address_passes() -> None:
    assert _refusal(origin="null", sec_fetch_site="same-origin") is None


def test_port_that_is_forwarded_counts_as_the_page_sees_it() -> None:
    assert _refusal(host="localhost:9000", origin="http://localhost:9000") is None
    assert _refusal(host="localhost:9000", origin=OURS) is not None


def test_port_of_a_host_without_one_is_that_of_http() -> None:
    assert Authority.parse("LocalHost") == Authority("localhost", 80)
    assert Authority.parse("[::1]:4566") == Authority("[::1]", 4566)


class Ministack:
    """An application that remembers what came through, and answers as ministack does."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
        self.asked.append(scope["type"])
        if scope["type"] == "http":
            headers = [(b"Access-Control-Allow-Origin", b"*"), (b"etag", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"hello"})


def _answer(
    ministack: Ministack, kind: str = "http", method: str = "GET", **headers: str
) -> list[MutableMapping[str, Any]]:
    """What the gateway sends for one request."""
    sent: list[MutableMapping[str, Any]] = []
    pairs = {"host": HERE, **headers}
    scope = {
        "type": kind,
        "method": method,
        "path": "/photos/",
        "raw_path": b"/photos/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    class Refusing:
        def handle(self, target: str, _body: bytes) -> None:
            raise AssertionError(f"{target} came through")

    apis: Any = {"SageMaker": Refusing()}
    gateway = Gateway(ministack, None, apis, None)  # type: ignore[arg-type]
    asyncio.run(gateway(scope, receive, send))
    return sent


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_foreign_page_reaches_neither_ministack_nor_sagemaker(method: str, kind: str) -> None:
    ministack = Ministack()
    target = {"x-amz-target": "SageMaker.CreateTrainingJob"}

    start, body = _answer(ministack, kind, method, origin="http://evil.example", **target)

    assert ministack.asked == []
    assert start["status"] == 403
    assert not any(b"access-control" in name.lower() for name, _ in start["headers"])
    assert "page of another origin" in json.loads(body["body"])["message"]


def test_answer_never_invites_every_page() -> None:
    start, _ = _answer(Ministack())
    assert start["headers"] == [(b"etag", b"1")]

    start, _ = _answer(Ministack(), origin="http://localhost:4566")
    assert dict(start["headers"]) == {
        b"etag": b"1",
        b"access-control-allow-origin": b"http://localhost:4566",
        b"vary": b"Origin",
    }


def _signed(region: str) -> dict[str, str]:
    scope = f"local/20261125/{region}/sagemaker/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}


@pytest.mark.parametrize("region", ["..", ".", "us-east-1..", "a b", "US-EAST-1", "x", "-1", "%2e"])
def test_region_that_is_none_is_refused_before_it_becomes_a_folder(region: str) -> None:
    ministack = Ministack()

    start, body = _answer(ministack, **_signed(region))

    assert (start["status"], ministack.asked) == (403, [])
    assert "scoped to a valid region" in json.loads(body["body"])["message"]


@pytest.mark.parametrize(
    "region", ["us-east-1", "cn-northwest-1", "us-isob-east-1", "eusc-de-east-1"]
)
def test_every_partitions_regions_pass(region: str) -> None:
    start, _ = _answer(Ministack(), **{"x-amz-target": "Other.List"}, **_signed(region))

    assert start["status"] == 404  # of no operation of SageMaker's own


def test_start_and_stop_of_the_server_pass() -> None:
    ministack = Ministack()

    asyncio.run(Gateway(ministack, None, {}, None)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]

    assert ministack.asked == ["lifespan"]
