"""Pages of a bucket and of the table, and the queue, against moto's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from lister import photos, rows
from lister.clients import wire
from lister.core import Ports
from lister.errors import AgainError, RefusedError
from lister.job import PHOTOS, ROWS, Filter, Job
from lister.settings import Settings
from moto import mock_aws

from tests.lambda_environment import set_environment
from tests.unit.template.cloudformation import table_of, template

OWN, OTHER, TABLE = "own-photos", "other-photos", "rows"
BEFORE = "2026-11-27"
NOW = datetime(2026, 11, 26, tzinfo=UTC)


@dataclass
class Account:
    s3: Any
    dynamodb: Any
    sqs: Any
    url: str

    def ports(self) -> Ports:
        settings = Settings(TABLE, self.url, OWN, "us-east-1", OTHER)
        return wire(settings, self.s3, self.dynamodb, self.sqs)

    def put(self, bucket: str, *keys: str) -> None:
        for key in keys:
            self.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())

    def etag(self, bucket: str, key: str) -> str:
        return str(self.s3.head_object(Bucket=bucket, Key=key)["ETag"]).strip('"')

    def row(self, key: str, at: str = "2026-11-20T00:00:00.000000Z", **more: str | float) -> None:
        values: dict[str, Any] = {
            "image_key": key,
            "sequencer": "0" * 32,
            "classified_at": at,
            "month_shard": f"{at[:7]}#{len(key) % 4}",
            **more,
        }
        self.dynamodb.put_item(
            TableName=TABLE,
            Item={
                name: {"S": value} if isinstance(value, str) else {"N": str(value)}
                for name, value in values.items()
            },
        )

    def bodies(self) -> list[dict[str, Any]]:
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=600
        ).get("Messages"):
            found += [json.loads(message["Body"])["Records"][0] for message in messages]
        return found


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    set_environment(
        monkeypatch,
        {
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
    )
    with mock_aws():
        s3, dynamodb, sqs = (boto3.client(name) for name in ("s3", "dynamodb", "sqs"))
        for bucket in (OWN, OTHER):
            s3.create_bucket(Bucket=bucket)
        dynamodb.create_table(TableName=TABLE, **table_of(template(), "PredictionsTable"))
        yield Account(s3, dynamodb, sqs, sqs.create_queue(QueueName="lane")["QueueUrl"])


def photos_of(bucket: str, prefix: str = "") -> Job:
    return Job("j", PHOTOS, bucket=bucket, prefix=prefix)


def rows_of(**wanted: str) -> Job:
    return Job("j", ROWS, filter=Filter("m2", **{"before": BEFORE} | wanted))


def read_all(account: Account, job: Job, page_size: int = 1000) -> list[str]:
    """Every key that wants an answer, through all pages."""
    ports, found = account.ports(), []
    for _ in range(100):
        page = ports.read(job, page_size)
        found += [photo.key for photo in page.photos]
        if page.place is None:
            return found
        job = replace(job, place=json.loads(json.dumps(page.place)))
    raise AssertionError("no end")


def test_objects_come_page_by_page_in_order_without_folders(account: Account) -> None:
    keys = ["a b.jpg", "a+b.jpg", "folder/", "folder/x", "ü/é.jpg"]
    account.put(OTHER, *keys)
    assert read_all(account, photos_of(OTHER), page_size=2) == [k for k in keys if k[-1] != "/"]
    assert read_all(account, photos_of(OTHER, "folder/")) == ["folder/x"]
    assert read_all(account, photos_of(OTHER, "nothing")) == []


def test_what_has_a_row_with_the_same_etag_is_left_out(account: Account) -> None:
    # GIVEN an object that is answered, one that has changed since, and rows of the same keys in the
    # other bucket
    keys = [f"uploads/{number:03}" for number in range(150)]
    account.put(OWN, *keys)
    account.put(OTHER, *keys)
    for key in keys[:120]:
        account.row(key, etag=account.etag(OWN, key))
    account.row(keys[3], etag="another")
    # AND one that an event has told of since
    account.row(keys[130], sequencer="0055AED6DCD90281E5".ljust(32, "0"), status="DELETED")
    account.row(f"s3://{OTHER}/{keys[149]}", etag=account.etag(OTHER, keys[149]))
    assert read_all(account, photos_of(OWN)) == [keys[3], *keys[120:130], *keys[131:]]
    assert read_all(account, photos_of(OTHER)) == keys[:149]


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        ({"StorageClass": "STANDARD"}, True),
        ({"StorageClass": "GLACIER"}, False),
        ({"StorageClass": "DEEP_ARCHIVE", "RestoreStatus": {"IsRestoreInProgress": True}}, False),
        (
            {
                "StorageClass": "GLACIER",
                "RestoreStatus": {"IsRestoreInProgress": False, "RestoreExpiryDate": NOW},
            },
            True,
        ),
    ],
)
def test_photo_that_was_archived_is_sent_as_restored_once_it_can_be_read(
    account: Account, listed: dict[str, Any], sent: bool
) -> None:
    class Bucket:
        def list_objects_v2(self, **asked: Any) -> dict[str, Any]:
            assert asked["OptionalObjectAttributes"] == ["RestoreStatus"]
            one = {"Key": "k", "Size": 1, "ETag": '"e"', "LastModified": NOW}
            return {"Contents": [one | listed], "IsTruncated": False}

    key = f"s3://{OTHER}/k"
    account.row(key, etag="e", status="REJECTED")
    account.dynamodb.update_item(
        TableName=TABLE,
        Key={"image_key": {"S": key}},
        UpdateExpression="SET reason = :archived",
        ExpressionAttributeValues={":archived": {"M": {"code": {"S": "ARCHIVED"}}}},
    )
    page = photos.read_page(Bucket(), account.dynamodb, TABLE, OWN, 10, photos_of(OTHER))
    assert [photo.restored for photo in page.photos] == [True] * sent
    ports = account.ports()
    ports.send(page.photos, photos_of(OTHER))
    names = [each["eventName"] for each in account.bodies()]
    assert names == ["ObjectRestore:Completed"] * sent


def test_bucket_that_is_not_there_is_refused(account: Account) -> None:
    with pytest.raises(RefusedError, match="s3://nowhere"):
        account.ports().read(photos_of("nowhere"), 10)


@pytest.mark.parametrize(
    ("code", "kind"), [("AccessDenied", RefusedError), ("SlowDown", AgainError)]
)
def test_faults_of_s3_are_told_apart(code: str, kind: type[Exception]) -> None:
    class Broken:
        def list_objects_v2(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": code}}, "ListObjectsV2")

    with pytest.raises(kind, match="s3://b"):
        photos.read_page(Broken(), None, TABLE, OWN, 10, photos_of("b"))


def test_keys_that_the_table_leaves_are_asked_for_again_and_then_tried_later() -> None:
    asked = []

    class Throttled:
        def list_objects_v2(self, **_: Any) -> dict[str, Any]:
            return {
                "Contents": [{"Key": "k", "Size": 1, "ETag": '"e"', "LastModified": NOW}],
                "IsTruncated": False,
            }

        def batch_get_item(self, RequestItems: Any) -> dict[str, Any]:  # noqa: N803 - boto's name
            asked.append(RequestItems)
            return {"UnprocessedKeys": RequestItems}

    with pytest.raises(AgainError, match="left keys unread"):
        photos.read_page(Throttled(), Throttled(), TABLE, OWN, 10, photos_of("b"))
    assert len(asked) == photos.MAX_ROUNDS


@pytest.fixture
def answered(account: Account) -> Account:
    """Rows of two models, of two breeds, of three months; one rejected, one of another bucket."""
    account.row("a", breed="Pug", model_version="m1", confidence=0.5, etag="e", size_bytes=9)
    account.row("b", breed="Pug", model_version="m1", confidence=0.9, version_id="v1")
    account.row("c", breed="Pug", model_version="m2", confidence=0.4)
    account.row("d", breed="Beagle", model_version="m1", confidence=0.2)
    account.row("old", "2025-12-31T00:00:00.000000Z", model_version="m1", confidence=0.3)
    account.row("new", "2026-11-28T00:00:00.000000Z", model_version="m1", confidence=0.3)
    account.row("rejected", status="REJECTED")
    account.row(f"s3://{OTHER}/x", "2026-10-01T00:00:00.000000Z", model_version="m1")
    return account


@pytest.mark.parametrize("page_size", [1, 1000])
@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({}, {"a", "b", "d", "old", "x"}),
        ({"breed": "Pug"}, {"a", "b"}),
        ({"breed": "Pug", "below": "0.6"}, {"a"}),
        ({"below": "0.6"}, {"a", "d", "old"}),
        ({"since": "2026-10-01"}, {"a", "b", "d", "x"}),
        ({"since": "2025-11-05", "before": "2026-01-05"}, {"old"}),
        ({"before": "2026-11-01"}, {"old", "x"}),
        ({"breed": "Whippet"}, set()),
    ],
)
def test_rows_of_older_models_by_what_was_asked_for(
    answered: Account, wanted: dict[str, str], keys: set[str], page_size: int
) -> None:
    found = read_all(answered, rows_of(**wanted), page_size)
    assert sorted(found) == sorted(keys)


def test_row_becomes_a_message_with_what_stands(answered: Account) -> None:
    job = rows_of(breed="Pug")
    ports = answered.ports()
    ports.send(ports.read(job, 1000).photos, job)
    by_key = {sent["s3"]["object"]["key"]: sent for sent in answered.bodies()}
    assert by_key["a"]["s3"]["object"]["size"] == 9
    assert by_key["a"]["s3"]["object"]["eTag"] == "e"
    assert by_key["b"]["s3"]["object"]["versionId"] == "v1"
    assert by_key["b"]["backfill"] == {"job": "j", "replaces": "m1"}
    assert {sent["s3"]["bucket"]["name"] for sent in by_key.values()} == {OWN}


def test_photo_of_another_bucket_is_read_there(answered: Account) -> None:
    job = rows_of(before="2026-10-02", since="2026-09-30")
    page = answered.ports().read(job, 10)
    while not page.photos:
        job = Job("j", ROWS, filter=job.filter, place=page.place)
        page = answered.ports().read(job, 10)
    assert (page.photos[0].bucket, page.photos[0].key) == (OTHER, "x")


def test_rows_without_permission_are_refused() -> None:
    class Closed:
        def scan(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "Scan")

    with pytest.raises(RefusedError, match="table"):
        rows.read_page(Closed(), TABLE, OWN, OTHER, 10, rows_of())


def test_rows_of_a_bucket_that_may_not_be_read_any_more_are_left_out_and_counted(
    answered: Account,
) -> None:
    page = rows.read_page(answered.dynamodb, TABLE, OWN, "a-newer-one", 1000, rows_of())
    assert {photo.bucket for photo in page.photos} == {OWN}
    assert page.unreadable == {OTHER: 1}


def test_all_are_sent_and_counted_as_waiting(account: Account) -> None:
    account.put(OTHER, *(f"{number:03}" for number in range(105)))
    ports, job = account.ports(), photos_of(OTHER)
    assert ports.waiting() == 0
    ports.send(ports.read(job, 1000).photos, job)
    assert ports.waiting() == 105
    assert len({sent["s3"]["object"]["key"] for sent in account.bodies()}) == 105
    assert ports.waiting() == 105, "those in flight count too"


def test_messages_that_the_queue_leaves_make_the_turn_fail(account: Account) -> None:
    class Full:
        def send_message_batch(self, **_: Any) -> dict[str, Any]:
            return {"Failed": [{"Id": "0", "Message": "internal error"}]}

    ports = wire(
        Settings(TABLE, account.url, OWN, "us-east-1"), account.s3, account.dynamodb, Full()
    )
    account.put(OTHER, "x")
    with pytest.raises(AgainError, match="left 1 messages: internal error"):
        ports.send(ports.read(photos_of(OTHER), 10).photos, photos_of(OTHER))
