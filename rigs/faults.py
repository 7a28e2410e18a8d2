"""A reverse proxy between the function and the cloud that breaks calls as its table of faults says.

The local cloud tells its Lambda workers to reach AWS through it (AWS_ENDPOINT_URL), so the function
under test is the unmodified one in its own process: what it meets are real HTTP errors, real
time-outs and real deaths.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

HOP_HEADERS = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}


@dataclass(frozen=True)
class Call:
    """One AWS call on its way to the cloud."""

    service: str
    operation: str
    path: str
    body: bytes
    client_port: int


@dataclass(frozen=True)
class Effect:
    """What a fault does: answer with an error, hold the call, kill a process before or after it."""

    answer: Response | None = None
    hold_s: float = 0.0
    kill_before: Callable[[Call], None] | None = None
    kill_after: Callable[[Call], None] | None = None


@dataclass(frozen=True)
class Fault:
    """A row of the table: the first `times` calls that match suffer the effect."""

    name: str
    matches: Callable[[Call], bool]
    effect: Effect
    times: int = 1


@dataclass
class FaultProxy:
    """Forwards to `target`, breaking what `faults` match; `injected` counts by fault, `calls` by
    operation. `watch` is told of every call.
    """

    target: str
    faults: Sequence[Fault] = ()
    watch: Callable[[Call], None] | None = None
    injected: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(self._app, interface="asgi3", log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._client = httpx.AsyncClient(
            timeout=None,  # noqa: S113 - the function's own time-outs are what is under test
            limits=httpx.Limits(max_connections=None),
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

    def _fault_for(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if self.injected[fault.name] < fault.times and fault.matches(call):
                self.injected[fault.name] += 1
                return fault
        return None

    async def _app(self, scope: dict, receive: Callable, send: Callable) -> None:
        request = Request(scope, receive)
        call = _call(request, await request.body())
        self.calls[f"{call.service}.{call.operation}"] += 1
        if self.watch:
            self.watch(call)
        fault = self._fault_for(call)
        effect = fault.effect if fault else Effect()
        await asyncio.sleep(effect.hold_s)
        if effect.kill_before:
            effect.kill_before(call)
        response = effect.answer or await self._forward(request, call)
        if effect.kill_after:
            effect.kill_after(call)
        # The caller may be gone: that is the fault that was asked for.
        with contextlib.suppress(OSError):
            await response(scope, receive, send)

    async def _forward(self, request: Request, call: Call) -> Response:
        path = request.scope["raw_path"].decode()
        query = request.scope["query_string"].decode()
        async with self._client.stream(
            request.method,
            f"{self.target}{path}" + (f"?{query}" if query else ""),
            headers=[(k, v) for k, v in request.headers.items() if k not in HOP_HEADERS],
            content=call.body,
        ) as answer:
            content = b"".join([chunk async for chunk in answer.aiter_raw()])
        response = Response(content, answer.status_code)
        for name, value in answer.headers.multi_items():
            if name.lower() not in HOP_HEADERS:
                response.headers.append(name, value)
        if request.method == "HEAD" and "content-length" in answer.headers:
            response.headers["content-length"] = answer.headers["content-length"]
        return response


def _call(request: Request, body: bytes) -> Call:
    scope = re.search(
        r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", request.headers.get("authorization", "")
    )
    target = request.headers.get("x-amz-target", "")
    operation = target.rpartition(".")[2] or request.method
    port = request.client.port if request.client else 0
    return Call(scope.group(1) if scope else "", operation, request.url.path, body, port)


def process_behind_port(port: int) -> int | None:
    """The process whose loopback connection has this port at its end (Linux); None if gone."""
    pattern = re.compile(rf"^\s*\d+: 0100007F:{port:04X} \S+ 01 (?:\S+\s+){{5}}(\d+) ")
    inode = next(
        (
            m.group(1)
            for line in Path("/proc/net/tcp").read_text().splitlines()
            if (m := pattern.match(line))
        ),
        None,
    )
    for link in Path("/proc").glob("[0-9]*/fd/*") if inode else ():
        with contextlib.suppress(OSError):
            if link.readlink() == Path(f"socket:[{inode}]"):
                return int(link.parts[2])
    return None


def kill_caller(call: Call) -> None:
    """kill -9 the process that made the call, the function's worker; another fault may have been
    faster.
    """
    pid = process_behind_port(call.client_port)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def aws_error(status: int, code: str) -> Response:
    """An error in the shape of AWS's JSON services (DynamoDB, SageMaker)."""
    return Response(
        f'{{"__type":"{code}","message":"injected"}}',
        status,
        {"x-amzn-ErrorType": code},
        "application/x-amz-json-1.0",
    )


def s3_error(status: int, code: str) -> Response:
    """An error in S3's shape."""
    return Response(
        f"<Error><Code>{code}</Code><Message>injected</Message></Error>",
        status,
        None,
        "application/xml",
    )
