"""Reading SQS messages: keys, sequencers, event types, bodies that are no events."""

import json

import pytest
from classify.events import Message, Upload, padded_sequencer, read_messages
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.world import BUCKET, Json, message, record, removed

HEX = "0123456789ABCDEF"
keys = st.text(min_size=1, max_size=200).filter(lambda key: not key.endswith("/"))


def read_one(*records: Json, body: str | None = None) -> Message:
    return read_messages({"Records": [message(*records, body=body)]}, BUCKET)[0]


@given(keys.filter(lambda key: not any("\ud800" <= char <= "\udfff" for char in key)))
def test_any_key_is_read_as_it_was_stored(key: str) -> None:
    # WHEN S3 encodes the key as in a form
    read = read_one(record(key, "AB", None))
    # THEN it comes back the same: decoded once, not twice and not half
    assert [upload.key for upload in read.uploads] == [key]


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("my+dog.jpg", "my dog.jpg"),
        ("a%2Bb.jpg", "a+b.jpg"),
        ("100%2525.jpg", "100%25.jpg"),
        ("B%C3%A4r.jpg", "Bär.jpg"),
        ("a%252Bb%2520c", "a%2Bb%20c"),
    ],
)
def test_encoded_key_is_decoded_exactly_once(encoded: str, key: str) -> None:
    sent = record("x", "AB", None)
    sent["s3"]["object"]["key"] = encoded
    assert read_one(sent).uploads[0].key == key


@given(st.text(HEX, min_size=1, max_size=32), st.text(HEX, min_size=1, max_size=32))
def test_sequencers_of_any_length_order_as_s3_says(first: str, second: str) -> None:
    # S3: right-pad the shorter one with zeros, then compare as text
    longest = max(len(first), len(second))
    expected = first.ljust(longest, "0") < second.ljust(longest, "0")
    assert (padded_sequencer(first) < padded_sequencer(second)) == expected
    assert len(padded_sequencer(first)) == 32


def test_lower_case_sequencer_equals_upper_case() -> None:
    assert padded_sequencer("00ab") == padded_sequencer("00AB")


@pytest.mark.parametrize("sequencer", ["", "xyz", "-1", "0x1", "1" * 33, " AB", "1_0"])
def test_sequencer_that_is_no_hex_number_is_refused(sequencer: str) -> None:
    with pytest.raises(ValueError, match="sequencer"):
        padded_sequencer(sequencer)


def test_several_records_in_one_message_are_several_uploads() -> None:
    read = read_one(record("a.jpg", "1", "v1"), record("b.jpg", "2", None))
    assert [(each.key, each.version_id) for each in read.uploads] == [
        ("a.jpg", "v1"),
        ("b.jpg", None),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
        "ObjectTagging:Put",
        "ObjectRestore:Post",
        "ObjectRestore:Delete",
    ],
)
def test_other_event_types_are_ignored(name: str) -> None:
    read = read_one(record("a.jpg", "1", "v1") | {"eventName": name})
    assert (read.uploads, read.ignored, read.fault) == ((), 1, "")


@pytest.mark.parametrize(
    "name", ["ObjectCreated:Copy", "s3:ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload"]
)
def test_every_way_to_create_an_object_is_an_upload(name: str) -> None:
    assert len(read_one(record("a.jpg", "1", "v1") | {"eventName": name}).uploads) == 1


@pytest.mark.parametrize(
    "name",
    ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "s3:ObjectRemoved:Delete"],
)
def test_every_way_to_remove_an_object_is_a_removal_with_its_place_in_the_order(name: str) -> None:
    sent = removed("a.jpg", "AB", "v1", for_ever=name.endswith(":Delete")) | {"eventName": name}
    (upload,) = read_one(sent).uploads
    assert (upload.removed, upload.restored, upload.version_id) == (True, False, "v1")
    assert upload.sequencer == padded_sequencer("AB")
    assert upload.size_bytes is None


def test_removal_without_a_sequencer_is_a_fault() -> None:
    sent = removed("a.jpg", "AB", "v1", for_ever=True)
    del sent["s3"]["object"]["sequencer"]
    assert read_one(sent).fault


def test_upload_is_no_removal_and_a_removal_no_other_delivery_of_it() -> None:
    up = read_one(record("a.jpg", "AB", "v1")).uploads[0]
    gone = read_one(record("a.jpg", "AB", "v1") | {"eventName": "ObjectRemoved:Delete"}).uploads[0]
    assert not up.removed
    assert up != gone


@pytest.mark.parametrize("name", ["ObjectRestore:Completed", "s3:ObjectRestore:Completed"])
def test_restored_photo_is_an_upload_without_sequencer(name: str) -> None:
    (upload,) = read_one(record("a.jpg", "1", "v1") | {"eventName": name}).uploads
    assert (upload.restored, upload.sequencer, upload.version_id) == (True, "", "v1")


def test_receives_and_receipt_of_a_message_are_read() -> None:
    sent = message(record("a.jpg", "1", "v1"), receive_count=7)
    (read,) = read_messages({"Records": [sent]}, BUCKET)
    assert (read.receipt_handle, read.receive_count) == ("receipt of m1", 7)
    assert read.uploads[0].receive_count == 7


def test_folder_is_ignored() -> None:
    read = read_one(record("uploads/holiday/", "1", "v1"))
    assert (read.uploads, read.ignored) == ((), 1)


def test_test_event_is_ignored() -> None:
    read = read_one(body='{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}')
    assert (read.uploads, read.ignored, read.fault) == ((), 1, "")


def broken(path: str, value: object) -> str:
    sent = record("a.jpg", "1", "v1")
    part = sent
    *way, last = path.split(".")
    for step in way:
        part = part[step]
    part[last] = value
    return json.dumps({"Records": [sent]})


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "null",
        "{}",
        '{"Records": null}',
        '{"Records": [null]}',
        '{"Records": [{}]}',
        broken("s3.object.sequencer", "zz"),
        broken("s3.object.sequencer", None),
        broken("s3.object.key", ""),
        broken("s3.object.key", "%FF%FE"),
        broken("s3.object", {}),
        broken("s3", 7),
        broken("eventName", None),
    ],
)
def test_body_that_is_no_s3_event_is_a_fault_not_an_empty_message(body: str) -> None:
    read = read_one(body=body)
    assert read.fault
    assert not read.uploads


def test_one_bad_record_makes_the_whole_message_a_fault() -> None:
    bodies = [record("a.jpg", "1", None), {}]
    assert read_one(*bodies).fault


@pytest.mark.parametrize("event", [{}, {"Records": [{}]}, {"Records": [{"body": "{}"}]}])
def test_event_that_is_not_from_sqs_raises(event: Json) -> None:
    with pytest.raises(KeyError):
        read_messages(event, BUCKET)


@pytest.mark.parametrize("time", [None, "", "yesterday", "2026-11-20T09:15:01"])
def test_unreadable_time_costs_the_latency_only(time: str | None) -> None:
    upload = read_one(record("a.jpg", "1", None) | {"eventTime": time}).uploads[0]
    assert upload.happened_at is None


def test_same_event_twice_is_the_same_upload() -> None:
    first = read_one(record("a.jpg", "1", "v1")).uploads[0]
    second = read_one(record("a.jpg", "1", "v1") | {"eventTime": "2026-11-20T10:00:00Z"}).uploads[0]
    assert first == second


def test_two_deliveries_of_an_event_are_equal_whatever_is_said_beside_it() -> None:
    sent, again = record("a.jpg", "AB", "v", size=1), record("a.jpg", "AB", "v", size=2)
    first = read_messages({"Records": [message(sent, receive_count=1)]}, BUCKET)[0].uploads
    second = read_messages({"Records": [message(again, receive_count=3)]}, BUCKET)[0].uploads
    assert first == second
    assert not first[0].restored


def test_message_without_a_count_was_received_once() -> None:
    sent = message(record("a.jpg", "AB", "v"))
    del sent["attributes"]["ApproximateReceiveCount"]
    (read,) = read_messages({"Records": [sent]}, BUCKET)
    assert (read.receive_count, read.uploads[0].receive_count, read.ignored) == (1, 1, 0)


def test_sequencer_may_have_all_of_its_32_digits() -> None:
    assert padded_sequencer("f" * 32) == "F" * 32


def test_what_is_not_said_of_a_message_or_an_upload_is_the_usual() -> None:
    assert (Message("m1").receive_count, Message("m1").ignored) == (1, 0)
    upload = Upload("bucket", "uploads/a.jpg", "AB")
    assert (upload.restored, upload.receive_count) == (False, 1)
