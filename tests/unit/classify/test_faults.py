"""One table of faults.

Where each is injected, and whether the photo is retried, skipped or rejected.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from tests.unit.classify.world import Json, World, answer, message, messages, picture, prediction

RETRY, GONE = "retry", "gone"


def aws(code: str, status: int = 400, **more: object) -> Callable[[], Exception]:
    response = {
        "Error": {"Code": code, "Message": "injected"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return lambda: ClientError(response, "Injected")


def model_error(status: int) -> Callable[[], Exception]:
    said = json.dumps({"error": {"code": "WHY", "message": "words of the model"}})
    return aws("ModelError", 424, OriginalStatusCode=status, OriginalMessage=said)


@dataclass(frozen=True)
class Fault:
    name: str
    where: str
    make: Callable[[], Exception]
    ends_as: str  # RETRY, GONE, or the code of a REJECTED row


URL = "https://aws.invalid"
TABLE = [
    Fault("no such key", "get_object", aws("NoSuchKey", 404), GONE),
    Fault("no such version", "get_object", aws("NoSuchVersion", 404), GONE),
    Fault("delete marker", "get_object", aws("MethodNotAllowed", 405), GONE),
    Fault("no such bucket", "get_object", aws("NoSuchBucket", 404), RETRY),
    Fault("slow down", "get_object", aws("SlowDown", 503), RETRY),
    Fault("s3 internal", "get_object", aws("InternalError", 500), RETRY),
    Fault("s3 forbidden", "get_object", aws("AccessDenied", 403), RETRY),
    Fault("s3 read timeout", "get_object", lambda: ReadTimeoutError(endpoint_url=URL), RETRY),
    Fault("s3 connect timeout", "get_object", lambda: ConnectTimeoutError(endpoint_url=URL), RETRY),
    Fault("s3 unreachable", "get_object", lambda: EndpointConnectionError(endpoint_url=URL), RETRY),
    Fault("a bug while reading", "get_object", lambda: ZeroDivisionError("bug"), RETRY),
    Fault("out of memory", "get_object", lambda: MemoryError(), RETRY),
    Fault("table throttled", "batch_get_item", aws("ThrottlingException"), RETRY),
    Fault("table missing", "batch_get_item", aws("ResourceNotFoundException"), RETRY),
    Fault("a bug in the look-up", "batch_get_item", lambda: ZeroDivisionError("bug"), RETRY),
    Fault("write throttled", "put_item", aws("ProvisionedThroughputExceededException"), RETRY),
    Fault("write failed", "put_item", aws("InternalServerError", 500), RETRY),
    Fault("row refused", "put_item", aws("ValidationException"), RETRY),
    Fault("write timed out", "put_item", lambda: ReadTimeoutError(endpoint_url=URL), RETRY),
    Fault("a bug while writing", "put_item", lambda: ZeroDivisionError("bug"), RETRY),
    Fault("endpoint throttled", "endpoint", aws("ThrottlingException", 429), RETRY),
    Fault("model not ready", "endpoint", aws("ModelNotReadyException", 429), RETRY),
    Fault("endpoint missing", "endpoint", aws("ValidationError", 400), RETRY),
    Fault("endpoint forbidden", "endpoint", aws("AccessDeniedException", 403), RETRY),
    Fault("endpoint internal", "endpoint", aws("InternalFailure", 500), RETRY),
    Fault("endpoint unavailable", "endpoint", aws("ServiceUnavailable", 503), RETRY),
    Fault("endpoint dependency", "endpoint", aws("InternalDependencyException", 530), RETRY),
    Fault("endpoint timed out", "endpoint", lambda: ReadTimeoutError(endpoint_url=URL), RETRY),
    Fault("no credentials", "endpoint", NoCredentialsError, RETRY),
    Fault("a bug in the call", "endpoint", lambda: ZeroDivisionError("bug"), RETRY),
    *(
        Fault(f"model {s}", "endpoint", model_error(s), RETRY)
        for s in (404, 408, 429, 500, 503, 504)
    ),
    Fault("model without status", "endpoint", aws("ModelError", 424), RETRY),
    *(Fault(f"model {s}", "endpoint", model_error(s), "MODEL_REFUSED") for s in (400, 415, 422)),
]


def inject(world: World, fault: Fault, times: int) -> None:
    faults = [fault.make() for _ in range(times)]
    if fault.where == "endpoint":
        world.endpoint.faults = list(faults)
    else:
        getattr(world, "s3" if fault.where == "get_object" else "dynamodb").faults = {
            fault.where: faults
        }


@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: f"{fault.where}: {fault.name}")
def test_fault_ends_as_the_table_says(world: World, fault: Fault) -> None:
    # GIVEN a fault that lasts, for a batch of one
    sent = message(world.upload())
    inject(world, fault, times=10)
    failed = world.deliver(sent)
    rows = world.rows()
    # THEN it is retried and leaves no row, or is acknowledged with the row that belongs to it
    assert failed == (["m1"] if fault.ends_as == RETRY else [])
    codes = [row["reason"]["code"] for row in rows.values()]
    assert codes == ([fault.ends_as] if fault.ends_as not in (RETRY, GONE) else [])


@pytest.mark.parametrize(
    "fault", [each for each in TABLE if each.ends_as == RETRY], ids=lambda fault: fault.name
)
def test_retried_fault_that_passes_ends_in_the_photos_row(world: World, fault: Fault) -> None:
    sent = message(world.upload())
    inject(world, fault, times=2)
    deliveries = 0
    while world.deliver(sent):
        deliveries += 1
        assert deliveries < 5
    assert world.row()["status"] == "CLASSIFIED"


@pytest.mark.parametrize("where", ["get_object", "put_item"])
def test_fault_of_one_photo_leaves_the_rest_of_the_batch_alone(world: World, where: str) -> None:
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(5)]
    inject(world, Fault("one", where, aws("SlowDown", 503), RETRY), times=1)
    failed = world.deliver(*messages(sent))
    assert len(failed) == 1
    assert len(world.rows()) == 4


@pytest.mark.parametrize("error", [MemoryError(), TimeoutError("slow machine"), OSError(12, "no")])
def test_machine_that_could_not_decode_is_no_reason_to_reject_the_photo(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def short(*_: object) -> bytes:
        raise error

    monkeypatch.setattr("classify.images.wire_copy", short)
    assert world.deliver(message(world.upload())) == ["m1"]
    assert world.rows() == {}


def test_throttled_endpoint_is_asked_once_more_in_the_same_invocation(world: World) -> None:
    inject(world, Fault("", "endpoint", aws("ThrottlingException"), RETRY), times=1)
    assert world.deliver(message(world.upload())) == []
    assert world.endpoint.calls == [1, 1]


def test_rejected_rows_are_written_although_the_endpoint_fails(world: World) -> None:
    sent = [world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg", b"text")]
    inject(world, Fault("", "endpoint", model_error(500), RETRY), times=10)
    assert world.deliver(*messages(sent)) == ["m0"]
    assert world.rows().keys() == {"uploads/b.jpg"}


def test_refused_batch_is_tried_photo_by_photo(world: World) -> None:
    # GIVEN a model that says 422 to the batch, and then to the second of three photos alone
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(3)]
    fine = answer([prediction()])
    world.endpoint.faults = [model_error(422)(), fine, model_error(422)(), fine]
    assert world.deliver(*messages(sent)) == []
    # THEN only that one is rejected, in the model's words
    rows = world.rows()
    assert [rows[f"uploads/{i}.jpg"]["status"] for i in range(3)] == [
        "CLASSIFIED",
        "REJECTED",
        "CLASSIFIED",
    ]
    reason = rows["uploads/1.jpg"]["reason"]
    assert reason["code"] == "MODEL_REFUSED"
    assert "words of the model" in reason["message"]
    assert world.endpoint.calls == [3, 1, 1, 1]


def test_photo_refused_within_a_good_answer_is_rejected_alone(world: World) -> None:
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(2)]
    refusal: Json = {"error": {"code": "CORRUPT", "message": "cannot decode" * 100}}
    world.endpoint.reply = lambda index: refusal if index == 0 else prediction()
    assert world.deliver(*messages(sent)) == []
    reason = world.row("uploads/0.jpg")["reason"]
    assert reason["code"] == "MODEL_REFUSED"
    assert reason["message"].startswith("CORRUPT: cannot decode")
    assert len(reason["message"]) <= 500
    assert world.row("uploads/1.jpg")["status"] == "CLASSIFIED"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>busy</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"predictions": []}',
        answer([]),
        answer([prediction()] * 2),
        answer([prediction() | {"label": ""}]),
        answer([prediction() | {"label": "x" * 1000}]),
        answer([prediction() | {"confidence": 17}]),
        answer([prediction() | {"confidence": float("nan")}]),
        answer([prediction() | {"confidence": None}]),
        answer([prediction() | {"confidence": True}]),
        answer([prediction() | {"top": None}]),
        answer([{}]),
        answer([{"error": "CORRUPT"}]),
        json.dumps({"predictions": [prediction()], "model": {}}).encode(),
        b"[" * 100_000,
    ],
    ids=lambda text: text[:40].decode(),
)
def test_answer_that_was_not_agreed_on_is_retried(world: World, text: bytes) -> None:
    world.endpoint.faults = [text or b" ", text or b" "]
    assert world.deliver(message(world.upload())) == ["m1"]
    assert world.rows() == {}


@pytest.mark.parametrize(
    "error",
    [
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        ResponseStreamingError(error="cut"),
        ReadTimeoutError(endpoint_url=URL),
    ],
    ids=lambda error: type(error).__name__,
)
def test_connection_lost_while_the_body_streams_is_retried(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def cut(*_: object) -> bytes:
        raise error

    monkeypatch.setattr("botocore.response.StreamingBody.read", cut)
    assert world.deliver(message(world.upload())) == ["m1"]


def test_body_shorter_than_announced_is_retried_not_taken_for_a_cut_off_photo(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, sent = picture(), world.upload()
    cut = {"ContentLength": len(whole), "Body": io.BytesIO(whole[:-200])}
    monkeypatch.setattr(world.s3._client, "get_object", lambda **_: cut)
    assert world.deliver(message(sent)) == ["m1"]
    assert world.rows() == {}


def test_keys_left_unprocessed_are_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a table that answers one key a call
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(3)]
    world.deliver(*messages(sent))
    whole = world.dynamodb._client.batch_get_item

    def one_key(RequestItems: Json, **_: object) -> Json:  # noqa: N803 - boto3's name
        wanted = RequestItems["predictions"]
        first, rest = wanted["Keys"][:1], wanted["Keys"][1:]
        found = whole(RequestItems={"predictions": wanted | {"Keys": first}})
        left = {"predictions": wanted | {"Keys": rest}} if rest else {}
        return {**found, "UnprocessedKeys": left}

    monkeypatch.setattr(world.dynamodb._client, "batch_get_item", one_key)
    # WHEN the batch comes again, THEN all of it is known
    assert world.deliver(*messages(sent)) == []
    assert world.endpoint.calls == [3]


def test_keys_left_unprocessed_for_ever_are_retried_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(RequestItems: Json, **_: object) -> Json:  # noqa: N803 - boto3's name
        return {"Responses": {}, "UnprocessedKeys": RequestItems}

    monkeypatch.setattr(world.dynamodb._client, "batch_get_item", nothing)
    assert world.deliver(message(world.upload())) == ["m1"]
    assert world.dynamodb.calls.count("batch_get_item") == 4
    assert world.endpoint.calls == []
