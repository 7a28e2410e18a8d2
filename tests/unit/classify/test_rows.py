"""What rows hold, and who wins when two writers meet at one."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from classify import handler, table
from classify.errors import PermanentError, Reason
from classify.events import Upload
from classify.images import Photo
from classify.rows import (
    Known,
    answered_row,
    deleted_row,
    rejected_row,
    thumbnail_key,
    thumbnails_of,
    with_expiry,
)
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


def answered(
    breed: str | None = "Pug", now: datetime = NOW, unknown: bool = False, **changes: object
) -> Json:
    prediction = Prediction(breed, 0.5, (), novelty=1.0 if unknown else None, unknown=unknown)
    return answered_row(upload(**changes), Photo(b"", 1, 1), prediction, ANSWER, now)


def test_keys_of_a_month_spread_over_all_four_shards_and_each_keeps_its_own() -> None:
    rows = [rejected_row(upload(key=f"uploads/{n}.jpg"), REFUSED, NOW) for n in range(400)]
    shards = Counter(row["month_shard"] for row in rows)
    assert set(shards) == {f"2026-11#{shard}" for shard in range(4)}
    assert min(shards.values()) > 400 / 4 / 2
    again = rejected_row(upload(key="uploads/7.jpg"), REFUSED, NOW + timedelta(days=6))
    assert again["month_shard"] == rows[7]["month_shard"].replace("-11#", "-12#")


def test_list_by_status_holds_the_rejected_and_those_without_a_known_breed() -> None:
    shard = answered()["month_shard"]
    assert rejected_row(upload(), REFUSED, NOW)["status_month"] == f"REJECTED#{shard}"
    assert answered(None)["status_month"] == f"NO_DOG#{shard}"
    assert answered(unknown=True)["status_month"] == f"UNKNOWN_BREED#{shard}"
    assert "status_month" not in answered("Pug")


def test_unknown_breeds_of_a_month_lie_together_by_confidence_but_for_the_sample() -> None:
    rows = [answered(key=f"uploads/{n}.jpg", unknown=True) for n in range(400)]
    keys = {row.get("sample"): row["confidence_key"] for row in rows}
    assert keys == {None: "open#2026-11#unknown", True: "open#2026-11#sample"}
    assert all("breed" not in row for row in rows)


def test_one_photo_in_twenty_is_in_the_random_sample_whatever_its_shard() -> None:
    rows = [answered(key=f"uploads/{n}.jpg") for n in range(4000)]
    sample = [row for row in rows if row.get("sample")]
    assert 150 < len(sample) < 250
    assert all(row["sample"] is True for row in sample)
    assert {row["confidence_key"] for row in sample} == {"open#2026-11#sample"}
    assert {row["sample_key"] for row in sample} == {"open#2026-11"}
    assert len({row["sample_order"] for row in sample}) == len(sample)
    assert set(Counter(row["month_shard"] for row in sample)) == {f"2026-11#{n}" for n in range(4)}
    for row in rows:
        assert row.get("sample") or row["confidence_key"] == f"open#{row['month_shard']}"


def test_sample_is_drawn_anew_for_every_version_and_not_for_another_delivery() -> None:
    def drawn() -> list[bool]:
        return ["sample" in answered(sequencer=f"{n:032X}") for n in range(1000)]

    assert 25 < sum(drawn()) < 80
    assert drawn() == drawn()


def test_only_answered_rows_wait_for_a_review_and_have_a_thumbnail() -> None:
    for row in (answered("Pug"), answered(None), answered(unknown=True)):
        assert {"confidence_key", "thumbnail"} <= row.keys()
    row = rejected_row(upload(), REFUSED, NOW)
    assert not {"confidence_key", "thumbnail", "sample"} & row.keys()


def test_thumbnails_of_a_key_lie_together_in_the_order_of_events() -> None:
    first, second = thumbnail_key("uploads/ä b.jpg", "0A"), thumbnail_key("uploads/ä b.jpg", "0B")
    assert re.fullmatch(r"thumbnails/[0-9a-f]{32}/0A\.jpg", first)
    assert first < second
    assert first.startswith(thumbnails_of("uploads/ä b.jpg"))
    assert not first.startswith(thumbnails_of("uploads/a b.jpg"))
    assert answered()["thumbnail"] == thumbnail_key("uploads/a.jpg", "A" * 32)


def test_deleted_row_says_when_and_is_in_no_list() -> None:
    removal = upload(removed=True, version_id="marker", happened_at=NOW - timedelta(seconds=1))
    assert deleted_row(removal, NOW) == {
        "image_key": "uploads/a.jpg",
        "sequencer": "A" * 32,
        "status": "DELETED",
        "deleted_at": "2026-11-25T23:30:14.250000Z",
        "version_id": "marker",
    }
    bare = deleted_row(upload(removed=True), NOW)
    assert bare["deleted_at"] == "2026-11-25T23:30:15.250000Z"
    assert "version_id" not in bare


def test_time_of_another_zone_is_told_in_utc() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=2)))
    assert deleted_row(upload(happened_at=there), NOW)["deleted_at"].startswith("2026-11-25T23:30")


def test_time_of_the_answer_is_told_to_the_microsecond_so_that_it_sorts() -> None:
    assert rejected_row(upload(), REFUSED, NOW)["classified_at"] == "2026-11-25T23:30:15.250000Z"


def test_clock_of_the_function_is_utc() -> None:
    assert handler.PORTS.now().tzinfo is UTC


def test_latency_is_milliseconds_from_the_upload_and_never_negative() -> None:
    early = upload(happened_at=NOW - timedelta(seconds=1.5))
    late = upload(happened_at=NOW + timedelta(seconds=9))
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
    return table.put_row(world.dynamodb, TABLE, row).done


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
    # A thumbnail that is later than its row is looked after once more.
    assert {each["ConsistentRead"] for each in asked} == {True}


def test_keys_that_come_twice_are_asked_for_once(world: World) -> None:
    # DynamoDB refuses a request that names a key twice.
    sent = [world.upload("uploads/a.jpg"), world.upload("uploads/a.jpg")]
    assert world.deliver(*messages(sent)) == []


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
