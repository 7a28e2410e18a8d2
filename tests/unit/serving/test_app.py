"""The application in this process, with a model that answers when it is let: a flood as a whole."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import cast

import httpx
import numpy as np
from numpy.typing import NDArray

from serving.app import create_app
from serving.model import Model, Prediction
from serving.settings import Settings
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
