"""What the log says of a batch: how every photo ended, why, and where the time went."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from classify import core, writes

from tests.unit.classify.world import (
    World,
    client_error,
    message,
    messages,
    no_dog,
    picture,
    prediction,
    throttled,
)


def lines(logs: io.StringIO, words: str) -> list[dict[str, Any]]:
    read = [json.loads(line) for line in logs.getvalue().splitlines()]
    return [line for line in read if line["message"] == words]


def test_outcomes_are_counted_by_the_names_that_rows_have(world: World, logs: io.StringIO) -> None:
    answers = {0: prediction(), 1: no_dog()}
    world.endpoint.reply = lambda index: answers[index]
    sent = [world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg")]
    text, gone = world.upload("uploads/c.txt", b"words"), world.upload("uploads/d.jpg")
    gone["s3"]["object"]["versionId"] = "00000000-0000-4000-8000-000000000000"
    world.deliver(*messages([*sent, text, gone]))
    (done,) = lines(logs, "Batch done")
    assert done["outcomes"] == {"CLASSIFIED": 1, "NO_DOG": 1, "REJECTED": 1, "OBJECT_GONE": 1}
    assert set(done["stage_ms"]) == {"lookup", "read", "predict", "write", "thumbnails"}
    assert len(done["endpoint_ms"]) == 1


def test_what_was_answered_before_is_counted_as_that(world: World, logs: io.StringIO) -> None:
    older, newer = world.upload(data=b"words"), world.upload()
    world.deliver(message(newer))
    world.deliver(message(newer), message(older, id_="m2"))
    assert lines(logs, "Batch done")[1]["outcomes"] == {"ALREADY_ANSWERED": 2}


def test_older_version_in_one_batch_counts_as_answered_once_the_newer_is(
    world: World, logs: io.StringIO
) -> None:
    older, newer = world.upload(), world.upload()
    assert world.deliver(*messages([older, newer])) == []
    (done,) = lines(logs, "Batch done")
    assert done["outcomes"] == {"CLASSIFIED": 1, "ALREADY_ANSWERED": 1}


def test_row_that_a_newer_one_overtook_counts_as_answered(
    world: World, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classify.core._Batch._is_pending", lambda *_: True)
    older, newer = world.upload(), world.upload()
    world.deliver(message(newer))
    world.deliver(message(older))
    assert lines(logs, "Batch done")[1]["outcomes"] == {"ALREADY_ANSWERED": 1}


def test_photo_that_goes_back_says_why(world: World, logs: io.StringIO) -> None:
    older, newer = world.upload(), world.upload()
    url = "https://runtime.sagemaker.example"
    world.endpoint.faults = [ReadTimeoutError(endpoint_url=url)] * 2
    assert world.deliver(*messages([older, newer])) == ["m0", "m1"]
    assert lines(logs, "Batch done")[0]["outcomes"] == {"RETRY": 2}
    errors = {line["error"] for line in lines(logs, "Photo goes back to the queue")}
    assert errors == {
        "waits for a newer version of the same key",
        f'the endpoint did not answer: Read timeout on endpoint URL: "{url}"',
    }


def test_photo_that_could_not_be_read_in_time_goes_back_and_says_so(
    world: World, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN readers that get no turn before the time for reading is over
    monkeypatch.setattr(core, "wait", lambda *_args, **_named: None)
    monkeypatch.setattr("concurrent.futures.Future.done", lambda _future: False)
    world.deliver(message(world.upload()))
    (back,) = lines(logs, "Photo goes back to the queue")
    assert back["error"] == "reading took too long"


def test_suspect_may_take_half_of_the_time_that_is_left_for_reading(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    whole = core.wait

    def spy(futures: Any, timeout: float) -> Any:
        waited.append(timeout)
        return whole(futures, timeout)

    monkeypatch.setattr(core, "wait", spy)
    left_s = 60 - world.ports().endpoint_worst_case_s
    world.deliver(message(world.upload(), receive_count=1))
    world.deliver(message(world.upload("uploads/b.jpg"), receive_count=3))
    readings = [timeout for timeout in waited if timeout > writes.WRITE_RESERVE_S]
    assert readings == [left_s, left_s / 2]


def test_model_that_refuses_two_photos_is_asked_about_each(world: World, logs: io.StringIO) -> None:
    refused = client_error("ModelError", OriginalStatusCode=400)
    world.endpoint.faults = [refused]
    sent = [world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg")]
    assert world.deliver(*messages(sent)) == []
    assert world.endpoint.calls == [2, 1, 1]
    assert lines(logs, "Batch done")[0]["outcomes"] == {"CLASSIFIED": 2}


def test_logs_hold_neither_image_bytes_nor_whole_events(world: World, logs: io.StringIO) -> None:
    # GIVEN photos with a mark in their bytes, one refused by the model, one cut, one lost
    mark = "SECRETMARK"
    jpeg = picture() + mark.encode()
    sent = [world.upload(f"uploads/{index}.jpg", jpeg) for index in range(3)]
    cut = world.upload("uploads/cut.png", picture("PNG")[:60] + mark.encode())
    for each in sent:
        each["responseElements"] = {"x-amz-request-id": "WHOLEEVENT"}
    refusals = [{"error": {"code": "CORRUPT", "message": "no"}}, prediction(), prediction()]
    world.endpoint.reply = lambda index: refusals[index % 3]
    world.dynamodb.faults["put_item"] = [throttled("PutItem"), RuntimeError("bug")]
    for _ in range(2):
        world.deliver(*messages([*sent, cut]))
    # THEN no line has them, plain or as base64, and every line is JSON of a decent length
    lines = logs.getvalue().splitlines()
    assert len(lines) > 4
    for line in lines:
        json.loads(line)
        assert mark not in line
        assert "WHOLEEVENT" not in line
        assert "/9j/" not in line
        assert len(line) < 5000


def test_unknown_error_is_logged_with_its_traceback_and_a_known_one_in_a_line(
    world: World, logs: io.StringIO
) -> None:
    world.s3.faults["get_object"] = [throttled("GetObject")]
    world.deliver(message(world.upload()))
    assert "Traceback" not in logs.getvalue()
    world.s3.faults["get_object"] = [ZeroDivisionError("bug")]
    world.deliver(message(world.upload()))
    assert "Traceback" in logs.getvalue()
