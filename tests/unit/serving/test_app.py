"""The application in this process, with a model that answers when it is let: a flood as a whole."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.types import ASGIApp

from photo_reader import Photo, read
from serving.app import create_app, read_body
from serving.model import Model, Prediction
from serving.settings import Settings
from serving.wire import RequestError
from tests.unit.serving.pictures import encoded, manifest_for, picture

PHOTO = encoded(picture(), "JPEG")
LANES, LIMIT = 2, 8
PATIENCE_S = 20


class SlowModel:
    """Answers once it is let through."""

    def __init__(self) -> None:
        self.manifest = manifest_for(b"")
        self.gate = threading.Event()
        self.begun = 0

    def warm_up(self, count: int, *, alone: bool = False) -> None:
        """Nothing is slow the first time."""

    def predict(self, pictures: Sequence[NDArray[np.uint8]], *, alone: bool) -> list[Prediction]:
        """One answer for all."""
        self.begun += len(pictures)
        assert self.gate.wait(PATIENCE_S)
        return [Prediction("collie", 1.0, None, (("collie", 1.0),))] * len(pictures)


@asynccontextmanager
async def served(model: SlowModel) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with this model, which has warmed up."""
    settings = Settings(threads=LANES, max_batch=1, max_in_flight=LIMIT)
    app = create_app(lambda: cast(Model, model), settings)
    model.gate.set()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client,
    ):
        model.gate.clear()
        model.begun = 0
        yield client


async def ask(client: httpx.AsyncClient) -> HTTPStatus:
    """One photo's status."""
    headers = {"Content-Type": "image/jpeg"}
    await asyncio.sleep(0)  # a refusal alone would never let the others go on
    answer = await client.post("/invocations", content=PHOTO, headers=headers)
    return HTTPStatus(answer.status_code)


def test_flood_is_refused_with_what_waited_while_what_has_begun_is_answered() -> None:
    async def scenario() -> None:
        model = SlowModel()
        async with served(model) as client, asyncio.timeout(PATIENCE_S):
            early = [asyncio.create_task(ask(client)) for _ in range(LIMIT)]
            while model.begun < LANES:
                await asyncio.sleep(0)
            # Nobody is sent away of those that fit, until it has overflowed for some time.
            while not any(task.done() for task in early):
                assert await ask(client) == HTTPStatus.TOO_MANY_REQUESTS
            assert await ask(client) == HTTPStatus.TOO_MANY_REQUESTS
            model.gate.set()
            found = await asyncio.gather(*early)
            assert found.count(HTTPStatus.OK) == model.begun == LANES
            assert found.count(HTTPStatus.TOO_MANY_REQUESTS) == LIMIT - LANES
            assert await ask(client) == HTTPStatus.OK

    asyncio.run(scenario())


class SlowReader:
    """Stands in for the guarded process: one photo at a time, until it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = threading.Semaphore(0)
        self.begun: list[bytes] = []
        self.at_once = self.most_at_once = 0
        self.patience: list[float] = []
        monkeypatch.setattr("serving.images.read_light", self.read_light)
        monkeypatch.setattr("serving.images.read", self.read)

    def read_light(self, data: bytes, least_px: int, max_pixels: int) -> Photo | None:
        return None if data.endswith(b"slow") else read(data, least_px, max_pixels)

    def read(self, data: bytes, least_px: int, max_pixels: int, within_s: float) -> Photo:
        self.begun.append(data)
        self.patience.append(within_s)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.gate.acquire(timeout=PATIENCE_S)
        self.at_once -= 1
        return read(PHOTO, least_px, max_pixels)


async def post(client: httpx.AsyncClient, photo: bytes) -> HTTPStatus:
    """The status of one photo."""
    answer = await client.post(
        "/invocations", content=photo, headers={"Content-Type": "image/jpeg"}
    )
    return HTTPStatus(answer.status_code)


def test_slow_photos_hold_up_no_others_and_come_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        model, reader = SlowModel(), SlowReader(monkeypatch)
        async with served(model) as client, asyncio.timeout(PATIENCE_S):
            model.gate.set()
            slow = [asyncio.create_task(post(client, PHOTO + b"slow")) for _ in range(LANES + 2)]
            while not reader.begun:
                await asyncio.sleep(0.001)
            for _ in range(2 * LANES):
                assert await post(client, PHOTO) == HTTPStatus.OK
            assert not any(task.done() for task in slow)
            reader.gate.release(len(slow))
            assert set(await asyncio.gather(*slow)) == {HTTPStatus.OK}
        assert reader.most_at_once == 1
        assert all(0 < patience <= Settings().request_timeout_s for patience in reader.patience)

    asyncio.run(scenario())


def test_slow_photo_in_a_batch_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        model, reader = SlowModel(), SlowReader(monkeypatch)
        async with served(model) as client, asyncio.timeout(PATIENCE_S):
            model.gate.set()
            reader.gate.release()
            photos = [b"no photo", PHOTO + b"slow", PHOTO]
            instances = [{"b64": base64.b64encode(photo).decode()} for photo in photos]
            answer = await client.post("/invocations", json={"instances": instances})
            first, *others = answer.json()["predictions"]
            assert first["error"]["code"] == "NOT_AN_IMAGE"
            assert [one["label"] for one in others] == ["collie"] * 2

    asyncio.run(scenario())


def test_slow_photo_of_a_caller_who_gave_up_is_never_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        model, reader = SlowModel(), SlowReader(monkeypatch)
        async with served(model) as client, asyncio.timeout(PATIENCE_S):
            model.gate.set()
            first = asyncio.create_task(post(client, PHOTO + b"1 slow"))
            while not reader.begun:
                await asyncio.sleep(0.001)
            given_up = HangingUp(PHOTO + b"2 slow")
            waiting = asyncio.create_task(given_up.ask(cast(Any, client)._transport.app))
            await given_up.sent.wait()
            given_up.gone.set()
            await waiting
            third = asyncio.create_task(post(client, PHOTO + b"3 slow"))
            reader.gate.release(3)
            assert await asyncio.gather(first, third) == [HTTPStatus.OK] * 2
        assert [data[-6:-5] for data in reader.begun] == [b"1", b"3"]

    asyncio.run(scenario())


class HangingUp:
    """A caller, in ASGI's terms, who sends a photo and hangs up when told."""

    def __init__(self, photo: bytes) -> None:
        self.photo = photo
        self.sent = asyncio.Event()
        self.gone = asyncio.Event()
        self.answers: list[Any] = []

    async def ask(self, app: ASGIApp) -> None:
        scope = {
            "type": "http", "method": "POST", "path": "/invocations", "query_string": b"",
            "headers": [(b"content-type", b"image/jpeg")],
        }  # fmt: skip
        await app(scope, self.receive, self.send)

    async def receive(self) -> Any:
        if self.photo:
            body, self.photo = self.photo, b""
            return {"type": "http.request", "body": body, "more_body": False}
        self.sent.set()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.answers.append(message)


def test_photo_of_a_caller_who_gave_up_leaves_the_queue() -> None:
    async def scenario() -> None:
        model = SlowModel()
        async with served(model) as client, asyncio.timeout(PATIENCE_S):
            running = [asyncio.create_task(post(client, PHOTO)) for _ in range(LANES)]
            while model.begun < LANES:
                await asyncio.sleep(0.001)
            given_up = HangingUp(PHOTO)
            waiting = asyncio.create_task(given_up.ask(cast(Any, client)._transport.app))
            await given_up.sent.wait()
            given_up.gone.set()
            await waiting
            model.gate.set()
            assert await asyncio.gather(*running) == [HTTPStatus.OK] * LANES
        assert model.begun == LANES

    asyncio.run(scenario())


def request_of(size: int, announced: bytes | None) -> tuple[Request, list[int]]:
    """An upload in pieces of ten bytes, and how many of them have been asked for."""
    asked: list[int] = []

    async def receive() -> Any:
        asked.append(10)
        return {"type": "http.request", "body": bytes(10), "more_body": sum(asked) < size}

    headers = [] if announced is None else [(b"content-length", announced)]
    return Request({"type": "http", "headers": headers}, receive), asked


def test_body_announced_as_too_large_is_refused_before_any_of_it_is_read() -> None:
    request, asked = request_of(60, announced=b"51")
    with pytest.raises(RequestError, match="exceeds 50 bytes") as refusal:
        asyncio.run(read_body(request, 50))
    assert refusal.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert asked == []


@pytest.mark.parametrize("announced", [None, b"50", b"many", b"-1"])
def test_body_of_the_limit_is_read_whole_and_a_byte_more_is_not(announced: bytes | None) -> None:
    request, _ = request_of(50, announced)
    assert asyncio.run(read_body(request, 50)) == bytes(50)
    request, asked = request_of(1000, announced)
    with pytest.raises(RequestError, match="exceeds 50 bytes"):
        asyncio.run(read_body(request, 50))
    assert sum(asked) == 60  # given up at the first piece that is too much


def test_images_of_a_batch_count_as_such_until_they_are_answered() -> None:
    """The limit of images holds across requests, and every place is given back."""

    async def scenario() -> None:
        model = SlowModel()
        async with served(model) as client, asyncio.timeout(PATIENCE_S):
            instances = [{"b64": base64.b64encode(PHOTO).decode()}] * (LIMIT - 1)
            body = {"instances": instances}
            first = asyncio.create_task(client.post("/invocations", json=body))
            while model.begun < LANES:
                await asyncio.sleep(0.001)
            refused = await client.post("/invocations", json={"instances": instances[:2]})
            assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
            assert refused.json()["error"]["code"] == "OVERLOADED"
            model.gate.set()
            assert (await first).status_code == HTTPStatus.OK
            assert (await client.post("/invocations", json=body)).status_code == HTTPStatus.OK

    asyncio.run(scenario())
