"""One port for everything: requests that are ours are answered here, all others go on to ministack
unchanged.

Ours are SageMaker, SageMaker Runtime, Application Auto Scaling, and what ministack's SQS lacks.
CloudFormation's changes are still ministack's, but run in a thread of their own (see
`local.deployer`). What a foreign web page sends is answered by nobody (see `local.door`).
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from local.arns import request_region
from local.deployer import Deployer
from local.door import refusal
from local.errors import AwsError
from local.refusals import explaining, unknown
from local.sagemaker.service import SageMaker
from local.settings import REGION
from local.wire import JsonApi, Response, error_response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)

_INVOCATIONS = re.compile(r"/endpoints/([^/]+)/invocations")
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
# A region becomes a part of ARNs and a folder's name.
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}")
_MAX_CONTROL_BODY = 4 * 1024 * 1024
# InvokeEndpoint blocks a thread for as long as the model takes: its own threads, so that it holds
# up nothing else.
_INVOKE_THREADS = 64
_CONTROL_THREADS = 8


class BodyTooLargeError(Exception):
    """More bytes than the limit."""


class DisconnectedError(Exception):
    """The client went away before its request was whole."""


@dataclass(frozen=True)
class Request:
    """What routing needs to know of a request: lower-case header names, and what the caller signed
    for.
    """

    method: str
    path: str
    headers: dict[str, str]
    region: str
    service: str

    @classmethod
    def from_scope(cls, scope: Scope) -> Request:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        signed = _CREDENTIAL.search(headers.get("authorization", ""))
        region, service = signed.groups() if signed else (REGION, "")
        return cls(scope["method"], scope["path"], headers, region, service)

    @property
    def is_form(self) -> bool:
        """Whether it speaks AWS's query protocol."""
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")

    @property
    def operation(self) -> str:
        """X-Amz-Target's, or else the method and the path, as far as a message has use for them."""
        target = self.headers.get("x-amz-target", "").rpartition(".")[2]
        return re.sub(r"[^\w /.-]", "?", target or f"{self.method} {self.path}")[:100]


class Gateway:
    """The ASGI application that the server runs."""

    def __init__(
        self,
        ministack: AsgiApp,
        deployer: Deployer,
        json_apis: dict[str, JsonApi],
        sagemaker: SageMaker,
    ) -> None:
        """`json_apis` maps an X-Amz-Target, whole ("AmazonSQS.StartMessageMoveTask") or up to its
        dot ("SageMaker"), to who answers it.
        """
        self._ministack = ministack
        self._deployer = deployer
        self._json_apis = json_apis
        self._sagemaker = sagemaker
        self._invoke_pool = ThreadPoolExecutor(_INVOKE_THREADS, "invoke")
        self._control_pool = ThreadPoolExecutor(_CONTROL_THREADS, "control")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._ministack(scope, receive, send)
            return
        why = refusal(scope["raw_path"].decode("latin-1"), scope["headers"])
        if why is not None:
            logger.warning("refused: %s", why)
            await _send(error_response(AwsError("AccessDeniedException", why, 403)), send)
            return
        request = Request.from_scope(scope)
        if not _REGION.fullmatch(request.region):
            await _send(error_response(_no_region(request.region)), send)
            return
        send = _without_wildcard(send, request.headers.get("origin"))
        if request.service:  # not what an application answers behind an API of its own
            send = explaining(send, request.service, request.operation, request.is_form)
        request_region.set(request.region)
        try:
            response = await self._own_answer(request, receive)
        except DisconnectedError:
            return
        if response is not None:
            await _send(response, send)
        elif request.service == "cloudformation" and request.method == "POST":
            await self._deployer.handle(scope, receive, send)
        else:
            await self._ministack(scope, receive, send)

    async def _own_answer(self, request: Request, receive: Receive) -> Response | None:
        """The answer to a request that is ours, None for any other."""
        target = request.headers.get("x-amz-target", "")
        api = self._json_apis.get(target) or self._json_apis.get(target.partition(".")[0])
        if api is not None:
            return await self._control(api, target, receive)
        if request.service != "sagemaker":
            return None
        invocation = _INVOCATIONS.fullmatch(request.path)
        if invocation is None or request.method != "POST":
            return unknown("sagemaker", request.operation, 404)
        return await self._invoke(invocation[1], request, receive)

    async def _control(self, api: JsonApi, target: str, receive: Receive) -> Response:
        try:
            body = await read_body(receive, _MAX_CONTROL_BODY)
        except BodyTooLargeError:
            return error_response(_too_large(_MAX_CONTROL_BODY))
        return await _in_pool(self._control_pool, api.handle, target, body)

    async def _invoke(self, endpoint_name: str, request: Request, receive: Receive) -> Response:
        limit = self._sagemaker.runtime.max_body_bytes(endpoint_name)
        try:
            body = await read_body(receive, limit)
        except BodyTooLargeError:
            return error_response(_too_large(limit))
        return await _in_pool(
            self._invoke_pool, self._sagemaker.runtime.invoke, endpoint_name, request.headers, body
        )


def _no_region(region: str) -> AwsError:
    words = f"Credential should be scoped to a valid region, not {region[:100]!r}."
    return AwsError("InvalidSignatureException", words, 403)


_ALLOW = b"access-control-allow-origin"


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises BodyTooLargeError past `limit` bytes, and DisconnectedError."""
    chunks, total = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        chunks.append(message.get("body", b""))
        total += len(chunks[-1])
        if total > limit:
            raise BodyTooLargeError
        if not message.get("more_body"):
            return b"".join(chunks)


def _without_wildcard(send: Send, origin: str | None) -> Send:
    """`send`, with ministack's `Access-Control-Allow-Origin: *` narrowed to the page that asks.

    Of pages only our own come this far, by another name of this machine (localhost, 127.0.0.1).
    """

    async def narrowed(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.lower() != _ALLOW]
            if origin is not None:
                kept += [(_ALLOW, origin.encode("latin-1")), (b"vary", b"Origin")]
            message = {**message, "headers": kept}
        await send(message)

    return narrowed


async def _in_pool(pool: ThreadPoolExecutor, work: Callable[..., Response], *args: Any) -> Response:
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work, *args))


async def _send(response: Response, send: Send) -> None:
    headers = {**response.headers, "Content-Length": str(len(response.body))}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    await send({"type": "http.response.body", "body": response.body})


def _too_large(limit: int) -> AwsError:
    return AwsError("ValidationError", f"Body must be at most {limit} bytes long.", status=413)
