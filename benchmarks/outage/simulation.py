"""A queue, its poller and an endpoint in simulated time, around the real handler.

Real: classify.handler with all that is behind it, down to the calls of the AWS clients. Simulated:
the clock; SQS with visibility time-outs, receive counts and redrive; Lambda's poller, which hands
out ten messages a batch to as many functions as MaxConcurrency allows, and leaves what is reported
as failed to its visibility time-out; S3, the table, the endpoint, and the reading of pictures.

The handler is imported when a simulation starts: its environment has to be set by then.
"""

import base64
import contextlib
import heapq
import io
import json
import logging
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

# As in template.yaml; tests/unit/classify/test_outage.py holds them to it.
MAX_RECEIVES = 80
VISIBILITY_S = 360
FUNCTION_TIMEOUT_S = 60
FUNCTIONS = 8
BATCH = 10
WINDOW_S = 1

ANSWER_S, REFUSAL_S = 0.15, 0.05
ENDPOINT_TIMEOUT_S = 20
RETENTION_S = 14 * 24 * 3600

Json = dict[str, Any]


class KilledError(BaseException):
    """The process is gone: nothing that it was about to do happens."""


@dataclass
class Clock:
    now_s: float = 0.0


@dataclass
class Message:
    """One upload's event in the queue."""

    key: str
    sent_s: float
    visible_s: float
    receives: int = 0
    deleted: bool = False

    @property
    def receipt(self) -> str:
        return f"{self.key}#{self.receives}"

    def record(self, number: int) -> Json:
        described = {"key": self.key, "sequencer": f"{number + 1:X}", "versionId": "v"}
        s3 = {"bucket": {"name": "uploads"}, "object": described}
        return {
            "messageId": self.key,
            "receiptHandle": self.receipt,
            "body": json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]}),
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
        }


# What the endpoint does with the keys of a request, at a time: moves the clock, and may raise.
Endpoint = Callable[[Clock, Sequence[str]], None]


@dataclass
class Cloud:
    """The AWS clients that the function is given, over one clock."""

    clock: Clock
    endpoint: Endpoint
    # Keys whose reading ends the process.
    deadly: Callable[[str], bool] = lambda _key: False
    in_flight: dict[str, Message] = field(default_factory=dict)
    rows_s: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    # When a photo that has failed five times or more was first given back.
    told_s: float | None = None
    killed: bool = False
    spaced: bool = True

    def _alive(self) -> None:
        if self.killed:
            raise KilledError

    def get_object(self, Key: str, **_: object) -> Json:  # noqa: N803 - boto3's name
        self._alive()
        if self.deadly(Key):
            self.killed = True
            raise KilledError
        return {"ContentLength": len(Key), "Body": io.BytesIO(Key.encode())}

    def batch_get_item(self, RequestItems: Mapping[str, Json]) -> Json:  # noqa: N803
        ((table, wanted),) = RequestItems.items()
        keys = [key["image_key"] for key in wanted["Keys"]]
        found = [
            {"image_key": key, "sequencer": {"S": "F" * 32}}
            for key in keys
            if key["S"] in self.rows_s
        ]
        return {"Responses": {table: found}}

    def put_item(self, Item: Json, **_: object) -> None:  # noqa: N803
        self._alive()
        self.rows_s.setdefault(Item["image_key"]["S"], self.clock.now_s)

    def invoke_endpoint(self, Body: bytes, **_: object) -> Json:  # noqa: N803
        self._alive()
        self.calls += 1
        instances = json.loads(Body)["instances"]
        self.endpoint(self.clock, [base64.b64decode(each["b64"]).decode() for each in instances])
        self.clock.now_s += ANSWER_S
        one = {"label": "Pug", "confidence": 0.9, "top": [{"label": "Pug", "probability": 0.9}]}
        answer = {"model": {"version": "1"}, "predictions": [one] * len(instances)}
        return {"Body": io.BytesIO(json.dumps(answer).encode())}

    def change_message_visibility_batch(self, Entries: list[Json], **_: object) -> Json:  # noqa: N803
        self._alive()
        for entry in Entries:
            message = self.in_flight[entry["ReceiptHandle"]]
            if self.spaced:
                message.visible_s = self.clock.now_s + entry["VisibilityTimeout"]
        return {}

    def delete_message_batch(self, Entries: list[Json], **_: object) -> Json:  # noqa: N803
        self._alive()
        for entry in Entries:
            self.in_flight[entry["ReceiptHandle"]].deleted = True
        return {}


class Context:
    """Lambda's, over the simulated clock."""

    function_name = invoked_function_arn = aws_request_id = "simulation"
    memory_limit_in_mb = 1769

    def __init__(self, clock: Clock) -> None:
        self._clock, self._end_s = clock, clock.now_s + FUNCTION_TIMEOUT_S

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._end_s - self._clock.now_s))


@dataclass
class Run:
    """What came of it. Times are seconds from the start."""

    cloud: Cloud
    dead_s: dict[str, float] = field(default_factory=dict)
    invocations: int = 0
    # How often a photo was received at most.
    most_receives: int = 0


def simulate(
    uploads: Mapping[str, float],
    endpoint: Endpoint,
    *,
    deadly: Callable[[str], bool] = lambda _key: False,
    max_receives: int = MAX_RECEIVES,
    spaced: bool = True,
    seed: int = 1,
) -> Run:
    """Until the queue is empty. `uploads`: key -> second of its upload.

    `spaced=False`: the waits that the function asks for are not set, so that what fails comes back
    after the queue's visibility time-out.
    """
    clock = Clock()
    run = Run(Cloud(clock, endpoint, deadly, spaced=spaced))
    waiting = {key: Message(key, sent_s, sent_s) for key, sent_s in uploads.items()}
    numbers = {key: number for number, key in enumerate(uploads)}
    free_s = [0.0] * FUNCTIONS
    with _quiet_function(run.cloud, seed) as handle:
        while waiting:
            first_s = min(message.visible_s for message in waiting.values())
            clock.now_s = max(heapq.heappop(free_s), first_s + WINDOW_S)
            batch = _receive(waiting, clock.now_s, max_receives, run)
            if batch:
                run.invocations += 1
                run.cloud.in_flight = {message.receipt: message for message in batch}
                run.cloud.killed = False
                _invoke(handle, [each.record(numbers[each.key]) for each in batch], run.cloud)
                for message in batch:
                    if message.deleted:
                        del waiting[message.key]
            heapq.heappush(free_s, clock.now_s)
    return run


def _receive(
    waiting: dict[str, Message], now_s: float, max_receives: int, run: Run
) -> list[Message]:
    """As SQS does it: what was received often enough moves to the dead-letter queue instead."""
    visible = sorted(
        (message for message in waiting.values() if message.visible_s <= now_s),
        key=lambda message: message.visible_s,
    )
    batch: list[Message] = []
    for message in visible:
        assert now_s - message.sent_s < RETENTION_S
        if message.receives == max_receives:
            run.dead_s[message.key] = now_s
            del waiting[message.key]
        elif len(batch) < BATCH:
            message.receives += 1
            message.visible_s = now_s + VISIBILITY_S
            run.most_receives = max(run.most_receives, message.receives)
            batch.append(message)
    return batch


def _invoke(handle: Callable[..., Json], records: list[Json], cloud: Cloud) -> None:
    try:
        answer = handle({"Records": records}, Context(cloud.clock))
    except KilledError:
        return
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    for message in cloud.in_flight.values():
        message.deleted |= message.key not in failed
        if message.key in failed and message.receives >= 5 and cloud.told_s is None:
            cloud.told_s = cloud.clock.now_s


@contextlib.contextmanager
def _quiet_function(cloud: Cloud, seed: int) -> Iterator[Callable[..., Json]]:
    """The handler over `cloud`, without logs, metrics, pauses and pictures."""
    from classify import clients, handler
    from classify.images import Photo

    ports = clients.wire(handler.SETTINGS, cloud, cloud, cloud, lambda: cloud)
    before = random.getstate()
    random.seed(seed)
    logging.disable(logging.CRITICAL)
    try:
        with (
            mock.patch.object(handler, "PORTS", ports),
            mock.patch("classify.core.shrink", lambda data, *_: Photo(data, 1, 1)),
            mock.patch("time.sleep"),
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(action="ignore"),  # of a killed batch, which has no metrics
        ):
            yield handler.handle
    finally:
        logging.disable(logging.NOTSET)
        random.setstate(before)


# ------------------------------------------------------------------------------ what can be wrong


def _aws_error(code: str, status: int, **more: object) -> ClientError:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(response, "InvokeEndpoint")


def gone(clock: Clock, _keys: Sequence[str]) -> None:
    """No such endpoint."""
    clock.now_s += REFUSAL_S
    raise _aws_error("ValidationError", 400)


def unreachable(clock: Clock, _keys: Sequence[str]) -> None:
    clock.now_s += 2
    raise EndpointConnectionError(endpoint_url="https://runtime.sagemaker.invalid")


def throttled(clock: Clock, _keys: Sequence[str]) -> None:
    clock.now_s += REFUSAL_S
    raise _aws_error("ThrottlingException", 429)


def crashing(clock: Clock, _keys: Sequence[str]) -> None:
    """A model that is started, fails at its first request, and is started again."""
    clock.now_s += REFUSAL_S
    raise _aws_error("ModelError", 424, OriginalStatusCode=500)


def hanging(clock: Clock, _keys: Sequence[str]) -> None:
    clock.now_s += ENDPOINT_TIMEOUT_S
    raise ReadTimeoutError(endpoint_url="https://runtime.sagemaker.invalid")


def until(end_s: float, fault: Endpoint) -> Endpoint:
    """`fault` until `end_s`, then an endpoint that answers."""

    def endpoint(clock: Clock, keys: Sequence[str]) -> None:
        if clock.now_s < end_s:
            fault(clock, keys)

    return endpoint


def for_poison(fault: Endpoint) -> Endpoint:
    """`fault` for every request that holds a poison photo, for ever."""

    def endpoint(clock: Clock, keys: Sequence[str]) -> None:
        if any(is_poison(key) for key in keys):
            fault(clock, keys)

    return endpoint


def is_poison(key: str) -> bool:
    return key.startswith("uploads/poison")


def steadily(photos: int, seconds: float) -> dict[str, float]:
    return {f"uploads/{n}.jpg": n * seconds / photos for n in range(photos)}


def with_poison(photos: int, poisons: int) -> dict[str, float]:
    """All within the same second, the poison first: as old as can be, in the company of others."""
    every = photos // poisons
    uploads: dict[str, float] = {}
    for n in range(photos):
        if n % every == 0 and n // every < poisons:
            uploads[f"uploads/poison-{n}.jpg"] = n / photos
        uploads[f"uploads/{n}.jpg"] = n / photos
    return uploads
