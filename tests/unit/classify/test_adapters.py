"""The adapters alone: what they ask AWS's clients, and which errors they make of the answers."""

import io
import re
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)
from classify import endpoint, queue, store, table
from classify.deadline import Deadline
from classify.errors import (
    EndpointUnavailableError,
    ObjectGoneError,
    PermanentError,
    PhotoDeletedError,
    RetryableError,
)
from classify.events import Upload
from classify.rows import Earlier, Known, Written, thumbnail_key, thumbnails_of

from tests.unit.classify.world import Json, answer, client_error, prediction

UPLOAD = Upload("uploads-bucket", "uploads/a.jpg", "A" * 32)
UNREACHABLE = EndpointConnectionError(endpoint_url="https://aws.example")


class Spy:
    """A client whose every operation answers with `answers` in turns, or raises them."""

    def __init__(self, *answers: object) -> None:
        self.asked: list[Json] = []
        self._answers = list(answers)

    def __getattr__(self, _operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.asked.append(arguments)
            given = self._answers.pop(0)
            if isinstance(given, Exception):
                raise given
            return given

        return call


# ------------------------------------------------------------------------------------ endpoint


def body(data: bytes | None = None) -> Json:
    return {"Body": io.BytesIO(answer([prediction()]) if data is None else data)}


def predict(
    runtime: Spy, attempts: int = 1, left_s: float = 60, told: list[float] | None = None
) -> Any:
    return endpoint.predict(
        runtime,
        "dogs",
        [b"jpeg"],
        attempts,
        Deadline(lambda: round(1000 * left_s)),
        28,
        (told if told is not None else []).append,
    )


def test_endpoint_is_asked_by_name_for_json_with_json() -> None:
    runtime = Spy(body())
    assert predict(runtime).predictions[0].breed == "Pug"
    (asked,) = runtime.asked
    assert asked["EndpointName"] == "dogs"
    assert (asked["ContentType"], asked["Accept"]) == ("application/json", "application/json")


@pytest.mark.parametrize("attempts", [1, 2])
def test_endpoint_that_keeps_failing_is_asked_so_often_and_no_more(
    attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _s: None)
    runtime = Spy(*[client_error("ModelError", OriginalStatusCode=500)] * 5)
    with pytest.raises(RetryableError):
        predict(runtime, attempts)
    assert len(runtime.asked) == attempts


@pytest.mark.parametrize(("bound", "pause_s"), [(min, 0.15), (max, 0.3)])
def test_next_attempt_waits_for_a_moment_of_chance(
    bound: Callable[[float, float], float], pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(endpoint.random, "uniform", bound)
    predict(Spy(UNREACHABLE, body()), attempts=2)
    assert pauses == [pause_s]


@pytest.mark.parametrize(("said", "variant"), [({"InvokedProductionVariant": "B"}, "B"), ({}, "")])
def test_answer_names_the_variant_if_sagemaker_does(said: Json, variant: str) -> None:
    assert predict(Spy(body() | said)).variant == variant


def test_milliseconds_of_every_attempt_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([10.0, 11.5, 20.0, 20.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    monkeypatch.setattr(time, "sleep", lambda _s: None)
    told: list[float] = []
    predict(Spy(UNREACHABLE, body()), attempts=2, told=told)
    assert told == [1500, 250]


def test_endpoint_is_not_asked_without_the_time_to_wait_for_it() -> None:
    runtime = Spy()
    with pytest.raises(RetryableError, match=r"too little time for InvokeEndpoint: 27\.0 s left"):
        predict(runtime, left_s=27)
    assert runtime.asked == []


class Broken:
    def read(self) -> bytes:
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)


@pytest.mark.parametrize(
    ("failure", "is_unavailable", "words"),
    [
        ({"Body": Broken()}, False, "the endpoint did not answer: 1 read, but total bytes"),
        (ReadTimeoutError(endpoint_url="https://aws.example"), False,
         "the endpoint did not answer: Read timeout"),
        (client_error("ServiceUnavailable", ResponseMetadata={"HTTPStatusCode": 503}), True,
         "the endpoint is not available: An error"),
        (UNREACHABLE, True, "the endpoint could not be reached: Could not connect"),
        (client_error("ThrottlingException"), True, "the endpoint is not available: An error"),
        (client_error("ValidationError"), True, "the endpoint is not available: An error"),
        (client_error("Odd", ResponseMetadata={}), True, "the endpoint is not available: An error"),
        (client_error("InternalFailure", ResponseMetadata={"HTTPStatusCode": 500}), False,
         "the endpoint failed: An error"),
        (client_error("ModelError"), False, "the endpoint failed: An error"),
        (client_error("ModelError", OriginalStatusCode=500), False,
         "the endpoint failed: An error"),
    ],
    ids=lambda one: str(one)[:40],
)  # fmt: skip
def test_what_may_pass_says_whether_the_endpoint_as_a_whole_is_gone(
    failure: object, is_unavailable: bool, words: str
) -> None:
    with pytest.raises(RetryableError, match=re.escape(words)) as raised:
        predict(Spy(failure))
    assert isinstance(raised.value, EndpointUnavailableError) is is_unavailable


def test_refusal_holds_the_models_words_or_else_awss() -> None:
    refused = client_error("ModelError", OriginalStatusCode=400, OriginalMessage="too odd")
    with pytest.raises(PermanentError, match="the model answered 400: too odd"):
        predict(Spy(refused))
    with pytest.raises(PermanentError, match="the model answered 400: as AWS says"):
        predict(Spy(client_error("ModelError", OriginalStatusCode=400)))


# --------------------------------------------------------------------------------------- queue


def test_more_messages_than_a_call_takes_are_all_deleted_and_the_first_failure_told() -> None:
    failed = {"Failed": [{"Id": "3", "Code": "Busy", "Message": "later"}]}
    sqs = Spy(failed, {})
    with pytest.raises(RetryableError, match="for 1 entries or calls: Busy: later"):
        queue.acknowledge(sqs, "queue", [f"receipt {n}" for n in range(12)])
    assert [len(asked["Entries"]) for asked in sqs.asked] == [10, 2]


def test_failures_of_every_call_count() -> None:
    failed = {"Failed": [{"Id": "0", "Code": "Busy"}]}
    with pytest.raises(RetryableError, match="for 2 entries or calls"):
        queue.acknowledge(Spy(failed, failed), "queue", [f"receipt {n}" for n in range(12)])


@pytest.mark.parametrize("error", [UNREACHABLE, client_error("Denied")], ids=str)
def test_queue_that_cannot_be_asked_is_retryable_in_its_words(
    error: BotoCoreError | ClientError,
) -> None:
    with pytest.raises(RetryableError, match=re.escape(str(error))):
        queue.give_back(Spy(error), "queue", {"receipt": 5})


# --------------------------------------------------------------------------------------- table


def item(key: str, sequencer: str) -> Json:
    return {"image_key": {"S": key}, "sequencer": {"S": sequencer}}


def test_rows_of_more_keys_than_a_call_takes_are_all_known() -> None:
    keys = [f"uploads/{n}.jpg" for n in range(101)]
    dynamodb = Spy(
        {"Responses": {"rows": [item(keys[0], "A")]}},
        {"Responses": {"rows": [item(keys[100], "B")]}},
    )
    assert table.known_rows(dynamodb, "rows", keys) == {keys[0]: Known("A"), keys[100]: Known("B")}


def test_what_is_known_of_a_row_is_all_that_its_successor_needs() -> None:
    found = item("a", "A") | {
        "version_id": {"S": "v"},
        "etag": {"S": "e"},
        "thumbnail": {"S": "thumbnails/a"},
        "seen_sequencer": {"S": "B"},
        "status": {"S": "DELETED"},
        "reason": {"M": {"code": {"S": "ARCHIVED"}}},
        "model_version": {"S": "one"},
        "breed": {"S": "Pug"},
        "confidence": {"N": "0.5"},
        "classified_at": {"S": "2026-11-20T09:15:01.123000Z"},
        "last_review": {"S": "l"},
        "review": {"M": {"verdict": {"S": "RIGHT"}}},
        "answered": {"N": "2"},
        "reclassified_by": {"S": "r"},
    }
    dynamodb = Spy({"Responses": {"rows": [found]}})
    (known,) = table.known_rows(dynamodb, "rows", ["a"]).values()
    answer = Earlier(
        "DELETED", "one", "Pug", Decimal("0.5"), "2026-11-20T09:15:01.123000Z", "l", True, 2, "r"
    )
    assert known == Known("A", "v", "e", "thumbnails/a", "B", True, True, answer)
    (asked,) = dynamodb.asked
    read = asked["RequestItems"]["rows"]["ProjectionExpression"]
    names = asked["RequestItems"]["rows"]["ExpressionAttributeNames"]
    for short, name in names.items():
        read = read.replace(short, name)
    assert set(read.split(", ")) == {"image_key", "reason.code", "review.verdict", *found} - {
        "reason", "review",
    }  # fmt: skip


ROW = {"image_key": "a", "sequencer": "C"}


def test_row_that_is_taken_tells_of_the_one_that_it_replaces() -> None:
    old = item("a", "B") | {"thumbnail": {"S": "thumbnails/a"}}
    done = table.put_row(Spy({"Attributes": old}), "rows", ROW)
    assert done == Written(True, Known("B", thumbnail="thumbnails/a"))
    assert table.put_row(Spy({}), "rows", ROW) == Written(True, Known())


@pytest.mark.parametrize("put", [table.put_row, table.put_restored_row])
def test_row_that_is_not_taken_tells_of_the_one_that_stands(put: Callable[..., Written]) -> None:
    refused = client_error("ConditionalCheckFailedException")
    refused.response["Item"] = item("a", "D")
    dynamodb = Spy(refused)
    assert put(dynamodb, "rows", ROW) == Written(False, Known("D"))
    (asked,) = dynamodb.asked
    assert asked["ReturnValues"] == asked["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


@pytest.mark.parametrize("error", [UNREACHABLE, client_error("Denied")], ids=str)
def test_table_that_cannot_be_written_is_retryable_in_its_words(
    error: BotoCoreError | ClientError,
) -> None:
    with pytest.raises(RetryableError, match=re.escape(str(error))):
        table.put_row(Spy(error), "rows", ROW)
    with pytest.raises(RetryableError, match=re.escape(str(error))):
        table.keep_row(Spy(error), "rows", "a", Known("B"), "C")


def test_row_that_is_kept_must_be_the_one_that_was_found() -> None:
    dynamodb = Spy({})
    table.keep_row(dynamodb, "rows", "a", Known("B"), "C")
    (asked,) = dynamodb.asked
    assert asked["Key"] == {"image_key": {"S": "a"}}
    assert asked["ExpressionAttributeValues"] == {":new": {"S": "C"}, ":known": {"S": "B"}}
    changed = Spy(client_error("ConditionalCheckFailedException"))
    with pytest.raises(RetryableError, match="the row has changed meanwhile"):
        table.keep_row(changed, "rows", "a", Known("B"), "C")


def test_yes_and_no_are_no_numbers() -> None:
    dynamodb = Spy({})
    table.put_row(dynamodb, "rows", ROW | {"sample": True, "count": 1})
    (asked,) = dynamodb.asked
    assert (asked["Item"]["sample"], asked["Item"]["count"]) == ({"BOOL": True}, {"N": "1"})


def test_keys_left_unread_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _s: None)
    left = {"rows": {"Keys": [{"image_key": {"S": "b"}}]}}
    dynamodb = Spy({"UnprocessedKeys": left}, {"Responses": {"rows": [item("b", "B")]}})
    assert table.known_rows(dynamodb, "rows", ["b"]) == {"b": Known("B")}
    assert dynamodb.asked[1] == {"RequestItems": left}


def test_pauses_of_a_busy_table_double_and_are_shortened_by_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(table.random, "uniform", lambda least, _most: least)
    left = {"rows": {"Keys": [{"image_key": {"S": "b"}}]}}
    with pytest.raises(RetryableError, match="DynamoDB left keys unread 4 times"):
        table.known_rows(Spy(*[{"UnprocessedKeys": left}] * 4), "rows", ["b"])
    assert pauses == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("error", [UNREACHABLE, client_error("Denied")], ids=str)
def test_table_that_cannot_be_read_is_retryable_in_its_words(
    error: BotoCoreError | ClientError,
) -> None:
    with pytest.raises(RetryableError, match=re.escape(f"DynamoDB could not be read: {error}")):
        table.known_rows(Spy(error), "rows", ["b"])


def test_row_with_what_no_row_holds_is_a_fault_of_the_code() -> None:
    with pytest.raises(TypeError, match="rows hold no float"):
        table.put_row(Spy({}), "rows", {"sequencer": "A", "confidence": 0.5})


def test_row_that_is_not_there_was_never_archived() -> None:
    assert not Known().archived


# --------------------------------------------------------------------------------------- store


def version(key: str, version_id: str) -> Json:
    return {"Key": key, "VersionId": version_id, "ETag": '"e"', "Size": 9, "IsLatest": True}


def test_current_version_is_the_newest_entry_of_the_key() -> None:
    s3 = Spy({"Versions": [version(UPLOAD.key, "v2")]})
    found = store.current_version(s3, UPLOAD)
    assert found == replace(UPLOAD, version_id="v2", etag="e")
    assert found.size_bytes == 9
    assert s3.asked == [{"Bucket": "uploads-bucket", "Prefix": "uploads/a.jpg", "MaxKeys": 1}]


@pytest.mark.parametrize(
    "listed",
    [
        {},
        {"DeleteMarkers": [{"Key": UPLOAD.key, "VersionId": "m", "IsLatest": True}]},
        {"Versions": [version(f"{UPLOAD.key}.bak", "v")]},
    ],
    ids=["nothing", "a marker", "a longer key"],
)
def test_key_under_which_no_photo_stands_is_a_deleted_photo(listed: Json) -> None:
    with pytest.raises(PhotoDeletedError, match=re.escape(UPLOAD.key)):
        store.current_version(Spy(listed), UPLOAD)


@pytest.mark.parametrize("error", [UNREACHABLE, client_error("SlowDown")], ids=str)
def test_bucket_that_does_not_do_it_is_retryable_in_its_words(
    error: BotoCoreError | ClientError,
) -> None:
    calls: list[Callable[[Spy], object]] = [
        lambda s3: store.current_version(s3, UPLOAD),
        lambda s3: store.put_thumbnail(s3, "uploads-bucket", UPLOAD, b"jpeg"),
        lambda s3: store.delete_thumbnail(s3, "uploads-bucket", "thumbnails/a"),
        lambda s3: store.delete_older_thumbnails(s3, "uploads-bucket", UPLOAD, "A"),
    ]
    for call in calls:
        with pytest.raises(RetryableError, match=re.escape(str(error))):
            call(Spy(error))


def test_older_thumbnails_are_those_before_the_sequencer() -> None:
    keys = [thumbnail_key(UPLOAD.key, sequencer) for sequencer in ("A", "B", "C")]
    s3 = Spy({"Contents": [{"Key": key} for key in keys]}, {})
    store.delete_older_thumbnails(s3, "uploads-bucket", UPLOAD, "B")
    assert s3.asked == [
        {"Bucket": "uploads-bucket", "Prefix": thumbnails_of(UPLOAD.key)},
        {"Bucket": "uploads-bucket", "Key": keys[0]},
    ]
    store.delete_older_thumbnails(Spy({}), "uploads-bucket", UPLOAD, "B")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (UNREACHABLE, RetryableError, "S3 could not be read: Could not connect"),
        (client_error("SlowDown"), RetryableError, "S3 did not give the object: An error"),
        (client_error("NoSuchKey"), ObjectGoneError, "as AWS says"),
    ],
)
def test_what_s3_says_is_in_the_error(error: Exception, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        store.read_object(Spy(error), UPLOAD, 100)
