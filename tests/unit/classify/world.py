"""What surrounds the function: bucket and table by moto, a fake endpoint, factories for events."""

import functools
import io
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError
from classify import clients, handler
from classify.events import Upload
from classify.ports import Ports
from classify.rows import Known, Written
from classify.settings import Settings
from PIL import Image

BUCKET = "breed-classifier-uploads-123456789012-us-east-1"
TABLE = "predictions"
KEY = "uploads/rex.jpg"

Json = dict[str, Any]


def picture(format_: str = "JPEG", size: tuple[int, int] = (60, 40), **options: Any) -> bytes:
    """A small picture's file: orange, with a blue top left quarter."""
    image = Image.new("RGB", size, (200, 120, 40))
    image.paste((20, 60, 200), (0, 0, size[0] // 2, size[1] // 2))
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def prediction(breed: str | None = "Pug", confidence: float = 0.875) -> Json:
    top = [{"label": "Pug", "probability": 0.875}, {"label": "Boxer", "probability": 0.0625}]
    return {"label": breed, "confidence": confidence, "dog_probability": 0.99, "top": top}


def no_dog() -> Json:
    return prediction(None, 0.75) | {"dog_probability": 0.25}


def unknown_breed() -> Json:
    return prediction() | {"novelty": 0.985, "unknown": True}


def answer(predictions: Sequence[Json]) -> bytes:
    model = {"name": "starter", "version": "sha256:abc"}
    return json.dumps({"model": model, "predictions": list(predictions)}).encode()


def client_error(code: str, operation: str = "Operation", **more: Any) -> ClientError:
    """What AWS's clients raise; `more` stands beside the error, as the response's metadata does."""
    return ClientError({"Error": {"Code": code, "Message": "as AWS says"}, **more}, operation)


@dataclass
class FakeEndpoint:
    """Answers `reply` for every photo, unless `faults` has something to raise or say first."""

    reply: Callable[[int], Json] = lambda _index: prediction()
    faults: list[Exception | bytes] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    def invoke_endpoint(self, EndpointName: str, Body: bytes, **_: Any) -> Json:  # noqa: N803 - boto3's names
        assert EndpointName == handler.SETTINGS.endpoint_name
        count = len(json.loads(Body)["instances"])
        self.calls.append(count)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        body = fault or answer([self.reply(index) for index in range(count)])
        return {"Body": io.BytesIO(body), "InvokedProductionVariant": "AllTraffic"}


class Faulty:
    """A client whose named operation fails with the given errors, one a call, before it works."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        self.faults: dict[str, list[Exception]] = {}
        self.calls: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            with self._lock:
                self.calls.append(operation)
                waiting = self.faults.get(operation)
                fault = waiting.pop(0) if waiting else None
            if fault:
                raise fault
            return getattr(self._client, operation)(**arguments)

        return call


@dataclass
class FakeQueue:
    """What the function asks of SQS: receipt handle -> seconds to wait, and what it deleted."""

    waits: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    url: str = field(default_factory=lambda: handler.SETTINGS.queue_url)
    calls: list[str] = field(default_factory=list)
    # Raised, or answered as the failure of every entry, one a call.
    faults: list[Exception | str] = field(default_factory=list)

    def change_message_visibility_batch(self, QueueUrl: str, Entries: list[Json]) -> Json:  # noqa: N803
        failed = self._called("change", QueueUrl, Entries)
        if not failed:
            self.waits |= {each["ReceiptHandle"]: each["VisibilityTimeout"] for each in Entries}
        return {"Failed": failed}

    def delete_message_batch(self, QueueUrl: str, Entries: list[Json]) -> Json:  # noqa: N803
        failed = self._called("delete", QueueUrl, Entries)
        if not failed:
            self.deleted += [each["ReceiptHandle"] for each in Entries]
        return {"Failed": failed}

    def _called(self, name: str, url: str, entries: list[Json]) -> list[Json]:
        assert url == self.url
        assert 1 <= len(entries) <= 10
        assert len({each["Id"] for each in entries}) == len(entries)
        self.calls.append(name)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        return [{"Id": each["Id"], "Code": fault} for each in entries] if fault else []


@dataclass
class Context:
    """Lambda's context. `remaining_ms` is called at every look at the clock."""

    remaining_ms: Callable[[], int] = lambda: 60_000
    function_name: str = "classify"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:classify"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms()


@functools.cache
def real_client(service: str) -> Any:
    """Made once: moto forgets its data for every test, its clients may stay."""
    return boto3.client(service)


@dataclass
class World:
    s3: Faulty
    dynamodb: Faulty
    endpoint: FakeEndpoint = field(default_factory=FakeEndpoint)
    queue: FakeQueue = field(default_factory=FakeQueue)
    sequence: Iterator[int] = field(default_factory=lambda: itertools.count(0x0065_5AED_6DCD_9028))

    @classmethod
    def create(cls) -> "World":
        s3, dynamodb = real_client("s3"), real_client("dynamodb")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "image_key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "image_key", "KeyType": "HASH"}],
        )
        return cls(Faulty(s3), Faulty(dynamodb))

    def ports(self, settings: Settings = handler.SETTINGS) -> Ports:
        return clients.wire(settings, self.s3, self.dynamodb, self.endpoint, lambda: self.queue)

    def upload(self, key: str = KEY, data: bytes | None = None) -> Json:
        """Puts the object and gives the S3 record of it, as S3 would send it."""
        body = picture() if data is None else data
        stored = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return record(key, f"{next(self.sequence):018X}", stored["VersionId"], len(body))

    def remove(self, key: str = KEY, version_id: str | None = None) -> Json:
        """Deletes the object, or one version of it for ever, and gives the S3 record of it."""
        version = {"VersionId": version_id} if version_id else {}
        done = self.s3.delete_object(Bucket=BUCKET, Key=key, **version)
        sequencer = f"{next(self.sequence):018X}"
        return removed(key, sequencer, done["VersionId"], for_ever=version_id is not None)

    def thumbnails(self) -> dict[str, Json]:
        """Those that are there, by key, as S3 gives them out."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="thumbnails/").get("Contents", ())
        keys = [each["Key"] for each in listed]
        return {key: self.s3.get_object(Bucket=BUCKET, Key=key) for key in keys}

    def deliver(self, *messages: Json, context: Context | None = None) -> list[str]:
        return deliver(messages, context)

    def rows(self) -> dict[str, Json]:
        take = TypeDeserializer().deserialize
        items = self.dynamodb.scan(TableName=TABLE)["Items"]
        rows = [{name: take(value) for name, value in item.items()} for item in items]
        return {row["image_key"]: row for row in rows}

    def row(self, key: str = KEY) -> Json:
        return self.rows()[key]


@dataclass
class Memory:
    """Objects and rows in two dicts, for tests that run the function hundreds of times."""

    objects: dict[tuple[str, str | None], bytes] = field(default_factory=dict)
    rows: dict[str, Json] = field(default_factory=dict)
    endpoint: FakeEndpoint = field(default_factory=FakeEndpoint)

    def ports(self) -> Ports:
        wired = clients.wire(handler.SETTINGS, None, None, self.endpoint, FakeQueue)
        return replace(
            wired,
            known_rows=lambda keys: {
                key: Known(self.rows[key]["sequencer"]) for key in keys if key in self.rows
            },
            read_object=lambda upload: self.objects[upload.key, upload.version_id],
            put_row=self._put,
            put_thumbnail=lambda _upload, _jpeg: None,
            delete_thumbnail=lambda _key: None,
        )

    def _put(self, row: Json) -> Written:
        # The table's condition. One thread at a time runs this much: the GIL is not given up here.
        standing = self.rows.get(row["image_key"], {}).get("sequencer", "")
        if row["sequencer"] <= standing:
            return Written(False, Known(standing))
        self.rows[row["image_key"]] = row
        return Written(True)


def deliver(batch: Sequence[Json], context: Context | None = None) -> list[str]:
    """The ids of the messages that the function does not acknowledge."""
    result = handler.handle({"Records": list(batch)}, context or Context())
    return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]


def record(key: str, sequencer: str, version_id: str | None, size: int = 1000) -> Json:
    described = {
        "key": quote_plus(key, safe="/"),
        "size": size,
        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
        "sequencer": sequencer,
    }
    if version_id:
        described["versionId"] = version_id
    return {
        "eventVersion": "2.6",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-20T09:15:01.123Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET}, "object": described},
    }


def removed(key: str, sequencer: str, version_id: str | None, for_ever: bool) -> Json:
    """As S3 tells of a removal: without a size, and of a marker with the ETag of nothing."""
    sent = record(key, sequencer, version_id)
    described = sent["s3"]["object"]
    del described["size"]
    if for_ever:
        del described["eTag"]
    name = "Delete" if for_ever else "DeleteMarkerCreated"
    return sent | {"eventName": f"ObjectRemoved:{name}"}


def version_of(sent: Json) -> str:
    version: str = sent["s3"]["object"]["versionId"]
    return version


def message(
    *records: Json, id_: str = "m1", body: str | None = None, receive_count: int = 1
) -> Json:
    text = json.dumps({"Records": list(records)}) if body is None else body
    return {
        "messageId": id_,
        "receiptHandle": f"receipt of {id_}",
        "body": text,
        "attributes": {"ApproximateReceiveCount": str(receive_count)},
    }


def messages(records: Iterable[Json], receive_count: int = 1) -> list[Json]:
    """One message a record, m0, m1, ..."""
    return [
        message(each, id_=f"m{index}", receive_count=receive_count)
        for index, each in enumerate(records)
    ]


def uploads(world: World, count: int, receive_count: int, name: str = "uploads") -> list[Json]:
    """As many messages, each of one new photo, `<name>-0`, `<name>-1`, ..."""
    records = [world.upload(f"uploads/{name}-{index}.jpg") for index in range(count)]
    return [
        message(each, id_=f"{name}-{index}", receive_count=receive_count)
        for index, each in enumerate(records)
    ]


def spy_on_reads(
    world: World, monkeypatch: pytest.MonkeyPatch, look: Callable[[str], None]
) -> None:
    """`look` hears the key of every photo right before it is read."""
    read = handler.PORTS.read_object

    def looking(upload: Upload) -> bytes:
        look(upload.key)
        return read(upload)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, read_object=looking))


def metrics_in(output: str) -> dict[str, float]:
    """Name -> sum of what the function put into its EMF lines."""
    totals: dict[str, float] = {}
    for line in output.splitlines():
        blob = json.loads(line)
        for metric in blob.get("_aws", {}).get("CloudWatchMetrics", [{}])[0].get("Metrics", []):
            values = blob[metric["Name"]]
            total = sum(values if isinstance(values, list) else [values])
            totals[metric["Name"]] = totals.get(metric["Name"], 0) + total
    return totals


def settings_with(**changes: Any) -> Settings:
    return replace(handler.SETTINGS, **changes)


def throttled(operation: str) -> ClientError:
    return client_error("ThrottlingException", operation)


def padded(sent: Json) -> str:
    """The sequencer of a record as rows have it."""
    sequencer: str = sent["s3"]["object"]["sequencer"]
    return sequencer.ljust(32, "0")
