"""CloudFormation's changes, run on an event loop of their own.

ministack provisions resources on the event loop that took the request. Creating an endpoint waits
seconds for a serving process, which fetches its model from this same cloud's S3: on the one loop
that would stop everything, and wait for itself. So requests that change stacks are handed to
ministack on a second loop in a second thread; those that only look at stacks stay on the first and
see the progress.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_DELETE = "DeleteStack"
# Everything else in CloudFormation's API, CreateChangeSet included, provisions nothing.
_CHANGES = {
    "CreateStack",
    "UpdateStack",
    _DELETE,
    "ExecuteChangeSet",
    "RollbackStack",
    "ContinueUpdateRollback",
}


class Deployer:
    """Answers CloudFormation requests. Start it before the first, close it at the end."""

    def __init__(self, ministack: AsgiApp) -> None:
        self._ministack = ministack
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="deployer")

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends the loop after what it is doing. It may be waiting for an endpoint: that thread dies
        with us.
        """
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def handle(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = [await receive()]
        while request[-1].get("more_body"):
            request.append(await receive())
        body = b"".join(message.get("body", b"") for message in request)
        # The SDKs send the action in the form, the CLI's waiters too; a query string is allowed by
        # the protocol.
        form = parse_qs(body.decode("latin-1") or scope.get("query_string", b"").decode("latin-1"))
        action = form.get("Action", [""])[0]
        if action in _CHANGES:
            for message in await self._on_own_loop(scope, request, action):
                await send(message)
        else:
            await self._ministack(scope, _replay(request, receive), send)

    async def _on_own_loop(
        self, scope: MutableMapping[str, Any], request: list[Message], action: str
    ) -> list[Message]:
        """ministack's answer, which it gives before it starts to provision."""
        caller = asyncio.get_running_loop()
        answered: asyncio.Future[list[Message]] = caller.create_future()
        context = contextvars.copy_context()

        async def run() -> None:
            answer: list[Message] = []

            async def collect(message: Message) -> None:
                answer.append(message)

            try:
                await self._ministack(scope, _replay(request, _never), collect)
                if action == _DELETE:
                    # The deletion that ministack has queued begins first: until then the stack
                    # has the status of before, which a waiter may take for a failure.
                    await asyncio.sleep(0)
            finally:
                # From inside the task: its done-callbacks would only run after the provisioning
                # that it queued.
                caller.call_soon_threadsafe(answered.set_result, answer)

        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(run(), context=context))
        return await answered


def _replay(messages: list[Message], then: Receive) -> Receive:
    pending = list(messages)

    async def receive() -> Message:
        return pending.pop(0) if pending else await then()

    return receive


async def _never() -> Message:
    """The client's disconnection does not undo a change to a stack."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
