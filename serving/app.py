"""The ASGI application: GET /ping and POST /invocations, and Ray Serve's names for the two.

One image: its bytes with Content-Type image/* or application/x-image. Many: application/json,
{"instances": [{"b64": "..."}, ...]}. Answers are in request order; a bad image fails alone.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar, cast

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.admission import QueueFullError
from serving.engine import Engine
from serving.images import ImageError
from serving.model import Model
from serving.settings import Settings
from serving.wire import (
    RequestError,
    error_json,
    model_json,
    outcome_json,
    read_base64,
    read_instances,
)

logger = logging.getLogger("serving")

Answer = TypeVar("Answer")

# The most images, good or bad, that ran together with one of the request's: shows the batching to
# who asks the server itself. Neither SageMaker nor the adapter of AWS's Ray image passes it on.
BATCH_SIZE_HEADER = "X-Batch-Size"


def create_app(load_model: Callable[[], Model], settings: Settings) -> Starlette:
    """The application; `load_model` is called once, when the host starts it."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        engine = Engine(load_model(), settings)
        await engine.warm_up()
        app.state.engine = engine
        app.state.settings = settings
        yield
        engine.close()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/ping", ping, methods=["GET"]),
            Route("/-/healthz", ping, methods=["GET"]),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/", invocations, methods=["POST"]),
        ],
        exception_handlers={Exception: internal_error},
    )


async def ping(request: Request) -> Response:
    """200 with the model's name: the host only listens once the package has been verified."""
    return JSONResponse({"model": model_json(request.app.state.engine.manifest)})


async def invocations(request: Request) -> Response:
    """Classify one image or many, within the deadline and the limits."""
    engine: Engine = request.app.state.engine
    settings: Settings = request.app.state.settings
    try:
        with reserved_slots(engine) as reserve:
            async with asyncio.timeout(settings.request_timeout_s) as deadline:
                until = cast(float, deadline.when())
                return await _answer(request, engine, settings, reserve, until)
    except RequestError as error:
        return _error(error.status, error.code, error.message)
    except QueueFullError as error:
        return _error(HTTPStatus.TOO_MANY_REQUESTS, "OVERLOADED", str(error))
    except TimeoutError:
        message = f"not answered within {settings.request_timeout_s} s"
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, "DEADLINE_EXCEEDED", message)
    except ClientDisconnect:
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody is there to read it


@contextlib.contextmanager
def reserved_slots(engine: Engine) -> Iterator[Callable[[int], None]]:
    """One place before the body is read, the others when it is known how many images it holds."""
    engine.admission.enter()
    reserved = 1

    def reserve(count: int) -> None:
        nonlocal reserved
        engine.admission.take(count - reserved)
        reserved = count

    try:
        yield reserve
    finally:
        engine.admission.leave(reserved)


async def _answer(
    request: Request,
    engine: Engine,
    settings: Settings,
    reserve: Callable[[int], None],
    until: float,
) -> Response:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        body = await read_body(request, settings.max_body_bytes)
        texts = read_instances(body, settings.max_instances)
        reserve(len(texts))
        sources = [partial(read_base64, text) for text in texts]
        outcomes, batch = await while_connected(request, engine.classify(sources, until))
        predictions = [outcome_json(outcome) for outcome in outcomes]
        answer = {"model": model_json(engine.manifest), "predictions": predictions}
    elif content_type.startswith("image/") or content_type == "application/x-image":
        body = await read_body(request, settings.max_body_bytes)
        reserve(1)
        work = engine.classify([lambda: body], until)
        (outcome,), batch = await while_connected(request, work)
        if isinstance(outcome, ImageError):
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, outcome.code, outcome.message)
        answer = {**outcome_json(outcome), "model": model_json(engine.manifest)}
    else:
        message = f"Content-Type {content_type!r}: expected image/* or application/json"
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
    return JSONResponse(answer, headers={BATCH_SIZE_HEADER: str(batch)})


async def while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """The outcome of `work`, which is cancelled when the caller hangs up (ClientDisconnect)."""

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, waiting = asyncio.create_task(work), asyncio.create_task(hung_up())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        waiting.cancel()


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body, given up as soon as it exceeds `max_bytes`, announced or not (413)."""
    too_large = RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TOO_LARGE", f"the body exceeds {max_bytes} bytes"
    )
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


async def internal_error(request: Request, error: Exception) -> Response:
    """The one boundary: anything unforeseen is our fault, logged, and tells the caller no more."""
    logger.error("request failed", exc_info=error)
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", "the server failed; see its log")


def _error(status: HTTPStatus, code: str, message: str) -> Response:
    return JSONResponse(error_json(code, message), status_code=status)
