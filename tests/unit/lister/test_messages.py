"""Messages are read by the classify function as S3's are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from lister.messages import Photo, body, image_key, photo_of, sequencer_of

NOW = datetime(2026, 11, 26, 16, 0, 0, 123456, tzinfo=UTC)
BUCKETS = st.sampled_from(["own", "other-photos"])


def record(photo: Photo) -> dict[str, object]:
    (found,) = json.loads(body(photo, "photos-1", "eu-central-1", NOW))["Records"]
    return dict(found)


def test_photo_has_the_shape_of_s3_s_event() -> None:
    assert record(Photo("other", "a b/ü+.jpg", 7, "abc", "00AB")) == {
        "eventVersion": "2.1",
        "eventSource": "breed-classifier:backfill",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-11-26T16:00:00.123Z",
        "eventName": "ObjectCreated:Backfill",
        "s3": {
            "bucket": {"name": "other"},
            "object": {
                "key": "a+b%2F%C3%BC%2B.jpg",
                "size": 7,
                "eTag": "abc",
                "sequencer": "00AB",
            },
        },
        "backfill": {"job": "photos-1"},
    }


def test_sequencer_is_older_than_any_of_s3_and_in_the_order_of_versions() -> None:
    first = sequencer_of(NOW, "a")
    assert int(first[8:20], 16) == round(NOW.timestamp() * 1000)
    assert first < sequencer_of(NOW + timedelta(milliseconds=1), "a") < "00000001"


def test_photo_in_folders_is_found_again_in_its_bucket() -> None:
    assert image_key("other", "2019/may/rex.jpg", "own") == "s3://other/2019/may/rex.jpg"
    assert photo_of("s3://other/2019/may/rex.jpg", "own") == ("other", "2019/may/rex.jpg")
    assert photo_of("uploads/rex.jpg", "own") == ("own", "uploads/rex.jpg")


def test_row_says_what_it_replaces() -> None:
    found = record(Photo("own", "uploads/a.jpg", 7, "abc", "00AB", "v1", "m1"))
    assert found["eventName"] == "Reclassify:Photo"
    assert found["backfill"] == {"job": "photos-1", "replaces": "m1"}
    assert found["s3"] == {
        "bucket": {"name": "own"},
        "object": {
            "key": "uploads%2Fa.jpg",
            "size": 7,
            "eTag": "abc",
            "versionId": "v1",
            "sequencer": "00AB",
        },
    }


def test_rejected_row_replaces_no_model() -> None:
    found = record(Photo("own", "uploads/a.jpg", 7, "abc", "00AB", "v1", ""))
    assert found["eventName"] == "Reclassify:Photo"
    assert found["backfill"] == {"job": "photos-1", "replaces": ""}


@settings(deadline=None)
@given(
    moments=st.tuples(*[st.datetimes(datetime(2006, 3, 14), timezones=st.just(UTC))] * 2),
    etags=st.tuples(*[st.text(max_size=40)] * 2),
)
def test_sequencers_are_in_the_order_of_versions_and_older_than_s3_s(
    moments: tuple[datetime, datetime], etags: tuple[str, str]
) -> None:
    first, second = map(sequencer_of, moments, etags)
    # S3's own, right-padded, as classify.events has them.
    assert first < "0055AED6DCD90281E5".ljust(32, "0")
    assert len(first) == 32
    assert set(first) <= set("0123456789ABCDEF")
    if moments[1] - moments[0] >= timedelta(milliseconds=2):
        assert first < second
    assert (first == second) == (first[8:20] == second[8:20] and etags[0] == etags[1])


@settings(deadline=None)
@given(bucket=BUCKETS, key=st.text(min_size=1).filter(lambda key: not key.startswith("s3://")))
def test_row_s_key_leads_back_to_its_photo(bucket: str, key: str) -> None:
    assert photo_of(image_key(bucket, key, "own"), "own") == (bucket, key)


@settings(deadline=None)
@given(key=st.text("abc/?ü", min_size=1024, max_size=1024))
def test_ten_messages_fit_into_a_call(key: str) -> None:
    # 256 KB is what every region takes at least.
    assert (
        10 * len(body(Photo("b" * 63, key, 1, "e" * 40, "0" * 32), "j" * 40, "r", NOW)) < 256 * 1024
    )
