"""Uploads to S3 (moto): what is sent, what is left alone, what is deleted, and errors."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from moto import mock_aws

from tests.unit.training.data.photos import jpeg, small_set, write_files
from training.data import upload as uploading
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.data.upload import Uploaded, make_client, upload

URI = "s3://photos/dogs"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client as `upload` has it, with an empty bucket."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        client = make_client()
        client.create_bucket(Bucket="photos")
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "dogs", small_set())


def _upload(folder: Path, s3: Any, delete: bool = False) -> Uploaded:
    return upload(DataSet.open(folder), URI, s3, lambda done, total: None, delete)


def _keys(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="photos").get("Contents", [])]


def _calls(s3: Any) -> list[str]:
    """The names of the operations called from now on."""
    names: list[str] = []
    s3.meta.events.register(
        "before-call.s3", lambda model, **_: names.append(model.name), unique_id="calls"
    )
    return names


def test_every_photo_gets_its_name_below_the_prefix(folder: Path, s3: Any) -> None:
    (folder / "train/001.Beagle/notes.txt").write_text("not data")
    progress: list[tuple[int, int]] = []
    data = DataSet.open(folder)
    result = upload(data, URI, s3, lambda done, total: progress.append((done, total)))

    assert _keys(s3) == sorted(f"dogs/{name}" for name in small_set())
    assert (result.uri, result.hash) == ("s3://photos/dogs/", data.hash)
    assert (result.sent, result.unchanged, result.extra) == (32, 0, ())
    assert result.sent_bytes == sum(map(len, small_set().values()))
    assert progress == [(number, 32) for number in range(1, 33)]
    stored = s3.get_object(Bucket="photos", Key="dogs/train/001.Beagle/00.jpg")
    assert stored["Body"].read() == small_set()["train/001.Beagle/00.jpg"]
    assert stored["ContentType"] == "image/jpeg"


def test_set_without_splits_arrives_split(tmp_path: Path, s3: Any) -> None:
    files = {f"{name}/{number}.jpg": jpeg(100 * i + number)
             for i, name in enumerate(("cat", "dog")) for number in range(10)}  # fmt: skip
    data = DataSet.open(write_files(tmp_path, files), seed=5)
    result = upload(data, "s3://photos", s3, lambda done, total: None)
    assert result.uri == "s3://photos/"
    assert _keys(s3) == sorted(data.names.values())


def test_second_upload_sends_nothing_and_only_lists(folder: Path, s3: Any) -> None:
    _upload(folder, s3)
    calls = _calls(s3)
    result = _upload(folder, s3)
    assert (result.sent, result.sent_bytes, result.unchanged) == (0, 0, 32)
    assert set(calls) == {"ListObjectsV2"}


def test_only_new_and_changed_photos_are_sent(folder: Path, s3: Any) -> None:
    _upload(folder, s3)
    changed = folder / "train/001.Beagle/00.jpg"
    content = bytearray(changed.read_bytes())
    content[-3] ^= 1  # the same size
    changed.write_bytes(content)
    write_files(folder, {"train/001.Beagle/new.jpg": jpeg(999)})
    larger = folder / "test/001.Beagle/00.jpg"  # told by its size alone
    larger.write_bytes(larger.read_bytes() + b"x")
    calls = _calls(s3)

    result = _upload(folder, s3)

    assert (result.sent, result.unchanged) == (3, 30)
    assert (calls.count("PutObject"), calls.count("HeadObject")) == (3, 1)
    stored = s3.get_object(Bucket="photos", Key="dogs/train/001.Beagle/00.jpg")["Body"].read()
    assert stored == bytes(content)


def test_photo_under_an_etag_that_is_no_md5_is_known_by_its_sha256(
    folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _upload(folder, s3)
    listing = uploading._listing

    def as_with_kms(place: Any) -> dict[str, Any]:
        return {key: uploading._Object(was.size, "0" * 32) for key, was in listing(place).items()}

    monkeypatch.setattr(uploading, "_listing", as_with_kms)
    calls = _calls(s3)
    assert _upload(folder, s3).sent == 0
    assert calls.count("HeadObject") == 32


def test_photo_uploaded_by_other_means_is_left_alone_if_it_is_the_same(
    folder: Path, s3: Any
) -> None:
    same, other = "train/001.Beagle/00.jpg", "train/001.Beagle/01.jpg"
    content = (folder / same).read_bytes()
    s3.put_object(Bucket="photos", Key=f"dogs/{same}", Body=content)
    s3.put_object(Bucket="photos", Key=f"dogs/{other}", Body=b"x")
    assert (_upload(folder, s3).sent, _upload(folder, s3).sent) == (31, 0)


def test_what_is_no_longer_there_is_named_and_deleted_only_on_request(
    folder: Path, s3: Any
) -> None:
    _upload(folder, s3)
    s3.put_object(Bucket="photos", Key="dogs-too/x.jpg", Body=b"another prefix")
    (folder / "train/001.Beagle/00.jpg").unlink()

    kept = _upload(folder, s3)
    assert (kept.extra, kept.deleted) == (("dogs/train/001.Beagle/00.jpg",), False)
    assert "dogs/train/001.Beagle/00.jpg" in _keys(s3)

    gone = _upload(folder, s3, delete=True)
    assert (gone.extra, gone.deleted, gone.sent) == (kept.extra, True, 0)
    assert "dogs/train/001.Beagle/00.jpg" not in _keys(s3)
    assert "dogs-too/x.jpg" in _keys(s3)
    assert _upload(folder, s3, delete=True).deleted is False


def test_nothing_is_deleted_unasked(folder: Path, s3: Any) -> None:
    s3.put_object(Bucket="photos", Key="dogs/old", Body=b"x")
    result = upload(DataSet.open(folder), URI, s3, lambda done, total: None)
    assert (result.extra, result.deleted) == (("dogs/old",), False)
    assert "dogs/old" in _keys(s3)


def test_only_slashes_are_taken_off_the_prefix(folder: Path, s3: Any) -> None:
    result = upload(DataSet.open(folder), "s3://photos/Xdogs/X/", s3, lambda done, total: None)
    assert result.uri == "s3://photos/Xdogs/X/"


def test_seconds_are_those_of_the_upload(
    folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([100.0, 101.256])
    monkeypatch.setattr(uploading.time, "monotonic", lambda: next(moments))
    assert _upload(folder, s3).seconds == 1.26


def test_deleting_more_than_one_request_takes(
    folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "_DELETED_AT_ONCE", 3)
    for number in range(7):
        s3.put_object(Bucket="photos", Key=f"dogs/old/{number}", Body=b"x")
    assert len(_upload(folder, s3, delete=True).extra) == 7
    assert not [key for key in _keys(s3) if "/old/" in key]


def test_every_photo_is_sent_with_its_sha256_for_s3_to_check(folder: Path, s3: Any) -> None:
    sums: dict[str, str] = {}

    def note(params: dict[str, str], **_: Any) -> None:
        sums[params["Key"]] = base64.b64decode(params["ChecksumSHA256"]).hex()

    s3.meta.events.register("provide-client-params.s3.PutObject", note)
    _upload(folder, s3)
    digests = DataSet.open(folder).digests
    assert sums == {f"dogs/{name}": digest for name, digest in digests.items()}


def test_first_failure_ends_the_upload_with_its_reason(
    folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    puts: list[str] = []

    def denied(**request: Any) -> None:
        puts.append(request["Key"])
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")

    monkeypatch.setattr(s3, "put_object", denied)
    monkeypatch.setattr(uploading, "THREADS", 1)
    with pytest.raises(DataError, match=r"s3:PutObject"):
        _upload(folder, s3)
    assert len(puts) == 1


def test_bucket_that_is_not_there_says_how_to_make_it(folder: Path, s3: Any) -> None:
    with pytest.raises(DataError, match=r"aws s3 mb s3://absent"):
        upload(DataSet.open(folder), "s3://absent/x", s3, lambda done, total: None)


@pytest.mark.parametrize("uri", ["photos/dogs", "s3:/photos", "https://photos/x", "s3://A_B/x"])
def test_uri_that_is_none_is_refused(folder: Path, s3: Any, uri: str) -> None:
    with pytest.raises(DataError, match="is no S3 URI"):
        upload(DataSet.open(folder), uri, s3, lambda done, total: None)


def test_client_has_a_connection_for_every_thread(s3: Any) -> None:
    assert s3.meta.config.max_pool_connections == uploading.THREADS
    assert boto3.client("s3").meta.config.max_pool_connections < uploading.THREADS


def test_client_waits_10_and_60_s_and_tries_eight_times(s3: Any) -> None:
    config = s3.meta.config
    assert (config.connect_timeout, config.read_timeout) == (10, 60)
    assert config.retries["mode"] == "standard"
    assert config.retries["total_max_attempts"] == 8


@pytest.mark.parametrize("prefix", ["dogs", "/dogs/", "dogs/"])
def test_slashes_around_the_prefix_do_not_matter(prefix: str, folder: Path, s3: Any) -> None:
    result = upload(DataSet.open(folder), f"s3://photos/{prefix}", s3, lambda done, total: None)

    assert result.uri == "s3://photos/dogs/"
    assert _keys(s3) == sorted(f"dogs/{name}" for name in small_set())


def test_kind_of_a_photo_is_told_by_its_name_or_left_open(
    folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {"00.jpg": "image/jpeg"}
    monkeypatch.setattr(uploading.mimetypes, "guess_type", lambda name: (kinds.get(name), None))
    _upload(folder, s3)

    stored = [
        s3.head_object(Bucket="photos", Key=f"dogs/train/001.Beagle/{name}")["ContentType"]
        for name in ("00.jpg", "01.jpg")
    ]

    assert stored == ["image/jpeg", "application/octet-stream"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"Code": "AccessDenied", "Message": "not yours"}, "not yours"),
        ({"Code": "AccessDenied", "Message": ""}, "AccessDenied"),
        ({"Code": "AccessDenied"}, "AccessDenied"),
    ],
)
def test_object_that_cannot_be_deleted_is_named_with_its_reason(
    fault: dict[str, str],
    reason: str,
    folder: Path,
    s3: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    def refused(**request: Any) -> dict[str, Any]:
        asked.append(request)
        return {"Errors": [{"Key": "dogs/old", **fault}]}

    s3.put_object(Bucket="photos", Key="dogs/old", Body=b"x")
    monkeypatch.setattr(s3, "delete_objects", refused)

    with pytest.raises(DataError, match=f"s3://photos/dogs/old cannot be deleted: {reason}$"):
        _upload(folder, s3, delete=True)
    assert asked == [
        {"Bucket": "photos", "Delete": {"Objects": [{"Key": "dogs/old"}], "Quiet": True}}
    ]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDenied", "s3:ListBucket, s3:GetObject and s3:PutObject"),
        ("NoSuchBucket", "aws s3 mb s3://photos"),
        ("SlowDown", "Run it again to go on from there"),
    ],
)
def test_refusal_of_s3_comes_with_what_to_do(
    code: str, advice: str, folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")

    monkeypatch.setattr(s3, "put_object", refuse)
    with pytest.raises(DataError, match=rf"^s3://photos/dogs/: .*{advice}"):
        _upload(folder, s3)


def test_missing_credentials_come_with_what_to_do(
    folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(s3, "get_paginator", refuse)
    with pytest.raises(DataError, match="Configure AWS credentials"):
        _upload(folder, s3)


def test_stopping_between_two_photos_begins_no_other(
    folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "THREADS", 1)
    calls = _calls(s3)
    gate = Event()
    put = s3.put_object

    def one_then_wait(**request: Any) -> Any:
        if calls.count("PutObject"):
            gate.wait(10)
        return put(**request)

    def stop(done: int, total: int) -> None:
        gate.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(s3, "put_object", one_then_wait)
    with pytest.raises(KeyboardInterrupt):
        upload(DataSet.open(folder), URI, s3, stop)
    assert calls.count("PutObject") <= 3


def test_all_objects_of_the_prefix_are_known_however_many_pages_they_are(
    folder: Path, s3: Any
) -> None:
    _upload(folder, s3)
    place = uploading._place(URI, s3)
    paginate = s3.get_paginator("list_objects_v2").paginate
    few = [paginate(Bucket="photos", Prefix="dogs/", PaginationConfig={"PageSize": 5})]

    class Pages:
        def paginate(self, **asked: str) -> Any:
            assert asked == {"Bucket": "photos", "Prefix": "dogs/"}
            return few[0]

    s3.get_paginator = lambda _: Pages()
    assert len(uploading._listing(place)) == 32
