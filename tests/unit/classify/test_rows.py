"""What rows hold, and who wins when two writers meet at one."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from classify import handler, table
from classify.errors import PermanentError, Reason
from classify.events import Upload
from classify.images import Photo
from classify.rows import Known, answered_row, rejected_row, with_expiry
from classify.wire import Answer, Prediction

from tests.unit.classify.world import BUCKET, TABLE, Json, World, message, messages

NOW = datetime(2026, 11, 25, 23, 30, 15, 250_000, tzinfo=UTC)
ANSWER = Answer((), "sha256:abc", "AllTraffic")
REFUSED = PermanentError(Reason.CORRUPT, "no")


def upload(**changes: object) -> Upload:
    return replace(Upload(BUCKET, "uploads/a.jpg", "A" * 32), **changes)  # type: ignore[arg-type]


# -------------------------------------------------------------------------------- what they hold


def test_row_expires_so_many_days_after_its_answer_to_the_second() -> None:
    row = with_expiry({}, NOW, retention_days=30)
    assert row == {"expires_at": int(NOW.timestamp()) + 30 * 24 * 3600}
    assert with_expiry({"a": 1}, NOW, retention_days=0) == {"a": 1}


def test_keys_of_a_day_spread_over_all_eight_shards_and_each_keeps_its_own() -> None:
    rows = [rejected_row(upload(key=f"uploads/{n}.jpg"), REFUSED, NOW) for n in range(400)]
    shards = Counter(row["day_shard"] for row in rows)
    assert set(shards) == {f"2026-11-25#{shard}" for shard in range(8)}
    assert min(shards.values()) > 400 / 8 / 2
    again = rejected_row(upload(key="uploads/7.jpg"), REFUSED, NOW + timedelta(days=1))
    assert again["day_shard"] == rows[7]["day_shard"].replace("-25#", "-26#")
    assert all(row["rejected_on"] == row["day_shard"] for row in rows)


def test_answered_row_is_in_no_index_of_the_rejected() -> None:
    row = answered_row(upload(), Photo(b"", 1, 1), Prediction(None, 0.5, ()), ANSWER, NOW)
    assert "rejected_on" not in row


def test_time_of_the_answer_is_told_to_the_microsecond_so_that_it_sorts() -> None:
    assert rejected_row(upload(), REFUSED, NOW)["classified_at"] == "2026-11-25T23:30:15.250000Z"


def test_clock_of_the_function_is_utc() -> None:
    assert handler.PORTS.now().tzinfo is UTC


def test_latency_is_milliseconds_from_the_upload_and_never_negative() -> None:
    early = upload(created_at=NOW - timedelta(seconds=1.5))
    late = upload(created_at=NOW + timedelta(seconds=9))
    assert rejected_row(early, REFUSED, NOW)["latency_ms"] == 1500
    assert rejected_row(late, REFUSED, NOW)["latency_ms"] == 0
    assert "latency_ms" not in rejected_row(upload(), REFUSED, NOW)


def test_what_the_event_does_not_say_is_left_out() -> None:
    assert not {"version_id", "etag", "size_bytes"} & rejected_row(upload(), REFUSED, NOW).keys()
    row = rejected_row(upload(version_id="v", etag="e", size_bytes=0), REFUSED, NOW)
    assert (row["version_id"], row["etag"], row["size_bytes"]) == ("v", "e", 0)


@pytest.mark.parametrize(("length", "kept"), [(500, 500), (501, 500), (9000, 500)])
def test_reason_is_cut_at_500_characters(length: int, kept: int) -> None:
    row = rejected_row(upload(), PermanentError(Reason.CORRUPT, "x" * length), NOW)
    message_ = row["reason"]["message"]
    assert len(message_) == kept
    assert message_.endswith("…") == (length > 500)


def test_shares_have_six_digits() -> None:
    prediction = Prediction("Pug", 1 / 3, (("Pug", 2 / 3),), 0.1234567)
    row = answered_row(upload(), Photo(b"", 1, 1), prediction, ANSWER, NOW)
    assert row["confidence"] == Decimal("0.333333")
    assert row["top"] == [{"label": "Pug", "probability": Decimal("0.666667")}]
    assert row["dog_probability"] == Decimal("0.123457")


# ---------------------------------------------------------------------------------------- who wins


def put(world: World, sequencer: str, note: str) -> bool:
    row = {"image_key": "uploads/a.jpg", "sequencer": sequencer, "note": note}
    return table.put_row(world.dynamodb, TABLE, row)


def test_only_a_newer_sequencer_replaces_a_row(world: World) -> None:
    assert put(world, "B", "first")
    assert not put(world, "B", "the same again")
    assert not put(world, "A", "older")
    assert world.row("uploads/a.jpg")["note"] == "first"
    assert put(world, "C", "newer")
    assert world.row("uploads/a.jpg")["note"] == "newer"


def test_row_of_another_making_is_replaced(world: World) -> None:
    # GIVEN a row that somebody imported, without a sequencer
    item = {"image_key": {"S": "uploads/rex.jpg"}, "note": {"S": "imported"}}
    world.dynamodb.put_item(TableName=TABLE, Item=item)
    assert world.deliver(message(world.upload())) == []
    assert world.row()["status"] == "CLASSIFIED"
    assert "note" not in world.row()
    # AND the event costs nothing when it comes again
    assert world.endpoint.calls == [1]


def test_table_is_read_consistently(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Json] = []
    whole = world.dynamodb._client.batch_get_item

    def spy(RequestItems: Json, **_: object) -> Json:  # noqa: N803 - boto3's name
        asked.append(RequestItems[TABLE])
        found: Json = whole(RequestItems=RequestItems)
        return found

    monkeypatch.setattr(world.dynamodb._client, "batch_get_item", spy)
    world.deliver(message(world.upload()))
    assert [each["ConsistentRead"] for each in asked] == [True]


def test_keys_that_come_twice_are_asked_for_once(world: World) -> None:
    # DynamoDB refuses a request that names a key twice.
    sent = [world.upload("uploads/a.jpg"), world.upload("uploads/a.jpg")]
    assert world.deliver(*messages(sent)) == []
    assert world.dynamodb.calls.count("batch_get_item") == 1


def test_pauses_between_rounds_of_a_busy_table_grow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)

    def nothing(RequestItems: Json, **_: object) -> Json:  # noqa: N803 - boto3's name
        return {"Responses": {}, "UnprocessedKeys": RequestItems}

    monkeypatch.setattr(world.dynamodb._client, "batch_get_item", nothing)
    world.deliver(message(world.upload()))
    longest_s = [0.1, 0.2, 0.4]
    assert len(pauses) == 3
    for pause_s, most_s in zip(pauses, longest_s, strict=True):
        assert most_s / 2 <= pause_s <= most_s


def test_nothing_is_known_of_a_photo_without_a_row() -> None:
    assert Known() == Known(sequencer="", version_id="", etag="", archived=False)
