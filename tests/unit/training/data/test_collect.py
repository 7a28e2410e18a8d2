"""Reviews and photos from a stack, and the command, against moto's AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from page import tables
from photo_reader import FORMATS
from tests.unit.training.data.photos import encoded, jpeg, photo, small_set, write_files
from tests.unit.training.data.words import Json, entry, row
from training.data import collect
from training.data.__main__ import main
from training.data.candidates import Reviewed
from training.data.collect import SUFFIXES, fetch_photos, read_opinions
from training.data.errors import DataError
from training.data.folders import PICTURE_SUFFIXES
from training.data.reviews import opinions

BUCKET = "photos"


def _outputs(stack: str) -> dict[str, str]:
    if stack != "stack":
        fault = {"Error": {"Code": "ValidationError", "Message": f"{stack} does not exist"}}
        raise ClientError(fault, "DescribeStacks")
    return {"BucketName": BUCKET, "TableName": "rows"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    # moto's CloudFormation needs more than this environment has.
    monkeypatch.setattr(tables, "outputs", _outputs)
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield


def _stack(reviews: list[Json] | None, rows: list[Json]) -> None:
    """A stack with a table of rows, and one of reviews unless they are None."""
    api = boto3.client("dynamodb")
    made: list[tuple[str, list[str], list[Json]]] = [("rows", ["image_key"], rows)]
    if reviews is not None:
        made.append(("stack-page-reviews", ["image_key", "review_id"], reviews))
    for name, keys, items in made:
        api.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        for item in items:
            boto3.resource("dynamodb").Table(name).put_item(Item=item)


def _put(content: bytes, key: str = "uploads/a.jpg") -> str:
    version: str = boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)["VersionId"]
    return version


def _fetched(kept: Path, said: Json, of: Json) -> Reviewed:
    found = opinions([said], [of])
    (result,) = fetch_photos(boto3.client("s3"), BUCKET, found, kept, lambda: None)
    return result


def test_every_format_has_a_suffix_that_a_data_set_reads() -> None:
    assert set(SUFFIXES) == set(FORMATS)
    assert set(SUFFIXES.values()) <= PICTURE_SUFFIXES


@pytest.mark.usefixtures("aws")
def test_the_version_that_was_reviewed_is_fetched_and_only_once(tmp_path: Path) -> None:
    version = _put(encoded(photo(1), "PNG"))
    _put(jpeg(2))
    seen = _fetched(tmp_path, entry(version_id=version), row())
    assert seen.photo is not None
    assert (seen.suffix, seen.photo.path.read_bytes()) == (".png", encoded(photo(1), "PNG"))
    boto3.client("s3").delete_object(Bucket=BUCKET, Key="uploads/a.jpg", VersionId=version)
    assert _fetched(tmp_path, entry(version_id=version), row()) == seen
    gone = _fetched(tmp_path, entry(version_id=version), row(status="DELETED", version="0B"))
    assert gone.opinion.deleted
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("aws")
def test_photo_of_another_bucket_is_fetched_from_there(tmp_path: Path) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket="shelter")
    etag = client.put_object(Bucket="shelter", Key="2019/a.jpg", Body=jpeg(1))["ETag"]
    key = "s3://shelter/2019/a.jpg"
    seen = _fetched(tmp_path, entry(key, version_id=None), row(key) | {"etag": etag.strip('"')})
    assert seen.photo is not None
    assert seen.photo.path.read_bytes() == jpeg(1)


@pytest.mark.usefixtures("aws")
def test_photo_that_cannot_be_had_or_read_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = _fetched(
        tmp_path, entry("uploads/none.jpg", version_id="x" * 32), row("uploads/none.jpg")
    )
    assert (lost.photo, lost.code) == (None, "GONE")
    broken = _put(jpeg(1)[:300], "uploads/half.jpg")
    half = _fetched(tmp_path, entry("uploads/half.jpg", version_id=broken), row("uploads/half.jpg"))
    assert (half.photo, half.code) == (None, "UNREADABLE")
    assert half.problem
    monkeypatch.setattr(collect, "MAX_BYTES", 10)
    large = _put(jpeg(3), "uploads/large.jpg")
    seen = _fetched(
        tmp_path, entry("uploads/large.jpg", version_id=large), row("uploads/large.jpg")
    )
    assert "at most 10 are read" in seen.problem


@pytest.mark.usefixtures("aws")
def test_without_versions_only_the_same_bytes_count(tmp_path: Path) -> None:
    api = boto3.client("s3")
    api.create_bucket(Bucket="plain")
    etag = api.put_object(Bucket="plain", Key="uploads/a.jpg", Body=jpeg(1))["ETag"]
    said = entry()
    del said["version_id"]

    def fetched(of: Json) -> Reviewed:
        (one,) = fetch_photos(api, "plain", opinions([said], [of]), tmp_path, lambda: None)
        return one

    assert fetched(row(etag='"other"')).code == "GONE"
    assert fetched(row(version="0B")).problem.startswith("the photo was replaced since")
    assert fetched(row(etag=etag)).photo is not None


@pytest.mark.usefixtures("aws")
def test_bucket_that_is_not_there_ends_it_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"s3://absent/uploads/a\.jpg"):
        fetch_photos(
            boto3.client("s3"), "absent", opinions([entry()], [row()]), tmp_path, lambda: None
        )


@pytest.mark.usefixtures("aws")
def test_stack_without_a_page_is_told_what_to_do() -> None:
    _stack(None, [])
    with pytest.raises(DataError, match=r"has no table stack-page-reviews.*make page"):
        read_opinions("stack")
    with pytest.raises(DataError, match=r"reviews of other cannot be read.*STACK="):
        read_opinions("other")


def _command(tmp_path: Path, *more: str) -> list[str]:
    base = tmp_path / "base"
    if not base.exists():
        write_files(base, small_set())
    return ["dataset", str(base), "--stack", "stack", "--out", str(tmp_path / "out"), *more]


@pytest.mark.usefixtures("aws")
def test_no_review_says_so_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _stack([], [row()])
    assert main(_command(tmp_path)) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "No review stands in stack yet: nothing to make" in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("aws")
def test_command_prints_the_folder_and_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = _put(jpeg(700))
    said = [entry(version_id=version), entry("uploads/b.jpg", "UNSURE", at=2)]
    _stack(said, [row(), row("uploads/b.jpg")])
    assert main(_command(tmp_path)) == 0
    first = capsys.readouterr()
    folder = Path(first.out.strip())
    assert (folder / "dataset.json").exists()
    assert "2 classes" in first.err
    assert "1 photos from reviews" in first.err
    assert "uploads/b.jpg: ann@example.com is unsure" in first.err

    assert main(_command(tmp_path)) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert f"No new review since version {folder.name}: nothing to do" in again.err
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()].count(
        folder.name
    ) == 1


@pytest.mark.usefixtures("aws")
def test_version_on_s3_is_whole_before_latest_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _stack([entry(version_id=_put(jpeg(700)))], [row()])
    api = boto3.client("s3")
    command = _command(tmp_path, "--to", "s3://versions/dogs/")
    assert main(command) == 1
    assert "aws s3 mb s3://versions" in capsys.readouterr().err
    api.create_bucket(Bucket="versions")
    assert main(command) == 0
    version = Path(capsys.readouterr().out.strip()).name
    latest = json.loads(api.get_object(Bucket="versions", Key="dogs/latest.json")["Body"].read())
    assert latest == {"version": version}
    keys = [each["Key"] for each in api.list_objects_v2(Bucket="versions")["Contents"]]
    assert len(keys) == 33 + 2
    assert f"dogs/{version}/dataset.json" in keys


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("latest", "words"),
    [("no json", "is no JSON"), ('{"version": "../.."}', "names no version of 12 hex digits")],
)
def test_latest_that_was_spoiled_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], latest: str, words: str
) -> None:
    _stack([], [])
    write_files(tmp_path / "out", {"latest.json": latest.encode()})
    assert main(_command(tmp_path)) == 1
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("aws")
def test_broken_photo_of_the_base_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command: list[Any] = _command(tmp_path)
    write_files(tmp_path / "base", {"train/001.Beagle/00.jpg": b"<html>"})
    _stack([entry(version_id=_put(jpeg(700)))], [row()])
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "train/001.Beagle/00.jpg" in said
    assert "`make verify` names all such photos" in said


@pytest.mark.parametrize("more", [["--new-class-at", "0"], ["--new-class-at", "many"]])
def test_wrong_settings_are_2(tmp_path: Path, more: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(_command(tmp_path, *more))
    assert stop.value.code == 2
