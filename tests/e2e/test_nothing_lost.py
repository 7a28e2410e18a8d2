"""500 uploads in a burst, with faults injected from one table: nothing is lost, nothing is doubled.

Everything is real but the faults: the deployed template, S3 events, SQS redelivery, the function in
its own process, the model behind its endpoint. What differs from the template is time: the waits
between tries and their number, the queue's visibility time-out and the function's (which is what a
crash costs), and the endpoint's read time-out.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from rich.table import Table

from local.launch import Cloud, free_port
from rigs import photos
from rigs.faults import Call, Effect, Fault, FaultProxy, aws_error, kill_caller, s3_error
from rigs.load import Target, closed_loop
from tests.e2e.pipeline import ENDPOINT_TIMEOUT_S, QUIET_S, UPLOADERS, Pipeline, Upload, hasten
from tours.stack import PREFIX, deploy
from tours.steps import Steps

SEED = 7
UPLOADS = 500
LATE = 30
CONTENTS = 16
# Four times the requests that the endpoint takes at a time on two CPUs. Each client comes again as
# soon as it has its answer: a flood on any machine, however slow.
FLOOD_CLIENTS, FLOOD_S, FLOOD_UPLOADS = 256, 20, 60
MAGENTA, CYAN = (255, 0, 255), (0, 255, 255)
# More pixels than most cameras have, and just within what is accepted.
LARGE = (7000, 7000)
TEXT = b"This is a text file, whatever its name says.\n" * 20

CLASSIFIED = {"CLASSIFIED", "UNKNOWN_BREED", "NO_DOG"}


def _bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 64))
        + chunk(b"IEND", b"")
    )


def _plain(colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> bytes:
    """A photo that the faults know by its colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()


# Every one of these fails for ever, each in its own way: see _faults.
POISON = {
    "poison-fast-0.jpg": _plain(MAGENTA),
    "poison-fast-1.jpg": _plain(MAGENTA),
    "poison-large.jpg": _plain(MAGENTA, LARGE),
    "poison-slow.jpg": _plain(CYAN),
    "poison-deadly.jpg": _plain(MAGENTA),
}


def _uploads(folder: Path) -> tuple[list[Upload], list[Upload]]:
    """500 puts in two waves: the second overwrites keys of the first while they are in flight."""
    contents = photos.pictures(folder, CONTENTS)
    good, rejected = frozenset(CLASSIFIED), frozenset({"REJECTED"})

    def many(name: str, count: int) -> list[Upload]:
        return [Upload(f"{name}-{i}.jpg", contents[i % CONTENTS], good) for i in range(count)]

    first = [
        *many("photo", 318),
        *many("duplicate", 20),
        *many("s3-503", 15),
        *many("dynamodb-throttled", 15),
        *many("acknowledgement-lost", 3),
        *many("overwritten", 40),
        *(Upload(f"text-{i}.jpg", TEXT, rejected, "NOT_AN_IMAGE") for i in range(20)),
        *(Upload(f"cut-{i}.jpg", contents[i][:900], rejected) for i in range(12)),
        *(Upload(f"bomb-{i}.png", _bomb(), rejected, "TOO_MANY_PIXELS") for i in range(12)),
        *(Upload(key, content, frozenset()) for key, content in POISON.items()),
    ]
    second = [Upload(f"overwritten-{i}.jpg", contents[(i + 5) % CONTENTS], good) for i in range(40)]
    random.Random(SEED).shuffle(first)
    return first, second


def _is_invoke(call: Call) -> bool:
    return call.path.endswith("/invocations")


def _shows(colour: tuple[int, int, int]) -> Any:
    """Whether a call asks for a photo of this colour, alone or among others."""

    def matches(call: Call) -> bool:
        if not _is_invoke(call):
            return False
        for instance in json.loads(call.body)["instances"]:
            with Image.open(io.BytesIO(base64.b64decode(instance["b64"]))) as picture:
                found: Any = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))
            if all(abs(is_ - wanted) < 16 for is_, wanted in zip(found, colour, strict=True)):
                return True
        return False

    return matches


def _reads(name: str) -> Any:
    return lambda call: call.service == "s3" and f"/{PREFIX}{name}" in call.path


def _writes(name: str) -> Any:
    wanted = f"{PREFIX}{name}".encode()
    return lambda call: call.operation == "PutItem" and wanted in call.body


def _faults(kill_endpoint: Any) -> list[Fault]:
    """The one table. A call suffers the first row that matches and is not used up yet."""
    throttled = aws_error(400, "ProvisionedThroughputExceededException")
    return [
        Fault("S3 503", _reads("s3-503"), Effect(s3_error(503, "SlowDown")), 60),
        Fault("DynamoDB throttling", _writes("dynamodb-throttled"), Effect(throttled), 60),
        Fault(
            "acknowledgement lost", _writes("acknowledgement"), Effect(kill_after=kill_caller), 3
        ),
        Fault("photo the endpoint fails for", _shows(MAGENTA), Effect(aws_error(500, "x")), 10**9),
        Fault("photo it hangs for", _shows(CYAN), Effect(hold_s=ENDPOINT_TIMEOUT_S + 2), 10**9),
        Fault(
            "photo that ends the process",
            _reads("poison-deadly"),
            Effect(kill_before=kill_caller),
            10**9,
        ),
        Fault("function killed mid-batch", _is_invoke, Effect(kill_before=kill_caller), 2),
        Fault("endpoint 429", _is_invoke, Effect(aws_error(429, "ThrottlingException")), 4),
        Fault("endpoint 500", _is_invoke, Effect(aws_error(500, "InternalFailure")), 4),
        Fault("endpoint time-out", _is_invoke, Effect(hold_s=ENDPOINT_TIMEOUT_S + 2), 2),
        Fault("endpoint killed mid-batch", _is_invoke, Effect(kill_before=kill_endpoint), 1),
    ]


@pytest.fixture(scope="module")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory, model: Path, runtime: str
) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("nothing-lost")
    port = free_port()
    proxy = FaultProxy(f"http://127.0.0.1:{port}")
    proxy.start()
    cloud = Cloud(folder / "state", worker_endpoint_url=proxy.url, port=port)
    try:
        cloud.start()
        outputs = deploy(cloud, Steps(Console(), folder / "deploy.log"), model, runtime)
        hasten(cloud, outputs)
        yield Pipeline(cloud, proxy, outputs)
    finally:
        cloud.stop()
        proxy.stop()


def _settle(pipeline: Pipeline, late: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Wait until the queue is quiet; `late` events go out once more when their key has a row."""
    deadline = time.monotonic() + QUIET_S
    while time.monotonic() < deadline:
        rows = pipeline.rows()
        for key in [key for key in late if key in rows]:
            pipeline.deliver_again(rows[key], late.pop(key) or rows[key]["sequencer"])
        if pipeline.messages("QueueUrl") == 0 and not any(key in pipeline.rows() for key in late):
            return pipeline.rows()
        time.sleep(0.5)
    raise AssertionError(f"not quiet after {QUIET_S} s: {pipeline.messages('QueueUrl')} messages")


def _report(
    pipeline: Pipeline, rows: dict[str, dict[str, Any]], dead: list[str], keys: int
) -> None:
    table = Table(title="Nothing lost, nothing doubled", title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    counts = {"uploads": UPLOADS, "events sent once more, or late": LATE}
    counts |= {"current object versions": keys, "rows": len(rows)}
    counts |= {
        f"rows {k}": n for k, n in sorted(Counter(r["status"] for r in rows.values()).items())
    }
    counts |= {"in the dead-letter queue": len(dead)}
    counts |= {f"injected: {name}": n for name, n in pipeline.proxy.injected.items()}
    counts |= {"InvokeEndpoint calls": pipeline.proxy.calls["sagemaker.POST"]}
    for what, count in counts.items():
        table.add_row(what, str(count))
    Console().print(table)


def test_burst_with_faults_loses_and_doubles_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    # GIVEN a table of faults
    pipeline.proxy.faults = _faults(pipeline.kill_endpoint)
    first, second = _uploads(tmp_path)
    assert len(first) + len(second) == UPLOADS
    # WHEN 500 uploads arrive in a burst, some twice, some late and out of order
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(pipeline.put, first))
        list(pool.map(pipeline.put, second))
    late = {f"duplicate-{i}.jpg": "" for i in range(20)}
    late |= {f"overwritten-{i}.jpg": "0" * 16 for i in range(10)}
    assert len(late) == LATE
    rows = _settle(pipeline, late)
    dead = pipeline.dead_letters()
    current = {u.key: u for u in [*first, *second]}
    _report(pipeline, rows, dead, len(current))

    # THEN every fault was met
    assert all(pipeline.proxy.injected[fault.name] for fault in pipeline.proxy.faults)
    # AND only the injected permanent failures are dead letters
    assert dead == sorted(POISON)
    # AND every current object version has its one row, with the right status
    assert set(rows) == set(current) - set(dead)
    for key, row in rows.items():
        head = pipeline.s3.head_object(Bucket=pipeline.outputs["BucketName"], Key=PREFIX + key)
        assert row["version_id"] == head["VersionId"], key
        assert row["status"] in current[key].right, (key, row)
        assert current[key].code in ("", row.get("reason", {}).get("code")), (key, row)
    # AND it is the newest version's prediction that stands
    reference = {current[f"photo-{i}.jpg"].content: rows[f"photo-{i}.jpg"] for i in range(CONTENTS)}
    for key in (key for key in rows if key.startswith("overwritten")):
        expected = reference[current[key].content]
        assert rows[key]["status"] == expected["status"], key
        assert rows[key]["top"][0]["label"] == expected["top"][0]["label"], key
        assert rows[key]["confidence"] == pytest.approx(expected["confidence"], abs=1e-3), key


def test_flooded_endpoint_loses_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    # GIVEN an endpoint with many times the requests that it can answer
    pipeline.proxy.faults = []
    dead = pipeline.messages("DeadLetterQueueUrl")
    process, port = pipeline.endpoint()
    target = Target(
        f"http://127.0.0.1:{port}/invocations", "image/jpeg", photos.pictures(tmp_path, CONTENTS)
    )
    with ThreadPoolExecutor(UPLOADERS) as pool:
        flood = pool.submit(lambda: asyncio.run(closed_loop(target, FLOOD_CLIENTS, FLOOD_S)))
        # WHEN photos are uploaded meanwhile
        content = target.bodies[0]
        keys = [f"flood-{number}.jpg" for number in range(FLOOD_UPLOADS)]
        list(pool.map(lambda key: pipeline.put(Upload(key, content, frozenset(CLASSIFIED))), keys))
        outcomes = flood.result().outcomes
    rows = _settle(pipeline, {})

    # THEN who could not be answered was told to come again, and nobody anything else
    assert set(outcomes) == {"200", "429"}, outcomes
    assert outcomes["429"] > outcomes["200"]
    # AND the pipeline's own requests were refused too
    assert pipeline.refusals() > 0
    # AND every photo has its row all the same
    assert {rows[key]["status"] for key in keys} <= CLASSIFIED
    assert pipeline.messages("DeadLetterQueueUrl") == dead
    # AND it is still the same process
    assert pipeline.endpoint() == (process, port)


def test_archived_photo_is_told_and_answered_once_it_is_restored(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    # GIVEN a photo that is uploaded straight into an archive
    pipeline.proxy.faults = []
    content, key = photos.pictures(tmp_path, 1)[0], f"{PREFIX}cold.jpg"
    bucket = pipeline.outputs["BucketName"]
    pipeline.s3.put_object(Bucket=bucket, Key=key, Body=content, StorageClass="GLACIER")
    row = pipeline.row_that("cold.jpg", lambda _row: True)
    assert (row["status"], row["reason"]["code"]) == ("REJECTED", "ARCHIVED")
    assert "GLACIER" in row["reason"]["message"]
    # WHEN it is restored
    pipeline.s3.restore_object(Bucket=bucket, Key=key, RestoreRequest={"Days": 1})
    # THEN the same version is answered
    answered = pipeline.row_that("cold.jpg", lambda row: row["status"] != "REJECTED")
    assert answered["status"] in CLASSIFIED
    assert answered["version_id"] == row["version_id"]


def test_deleted_photo_leaves_its_lists_and_is_answered_once_it_is_back(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    # GIVEN a photo with its row and its thumbnail
    pipeline.proxy.faults = []
    content, key = photos.pictures(tmp_path, 1)[0], f"{PREFIX}gone.jpg"
    bucket = pipeline.outputs["BucketName"]
    first = pipeline.s3.put_object(Bucket=bucket, Key=key, Body=content)["VersionId"]
    row = pipeline.row_that("gone.jpg", lambda _row: True)
    prefix = row["thumbnail"].rpartition("/")[0]

    def thumbnails() -> list[str]:
        listed = pipeline.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", ())]

    # WHEN it is deleted
    marker = pipeline.s3.delete_object(Bucket=bucket, Key=key)["VersionId"]
    # THEN the row says so, without any index's key
    deleted = pipeline.row_that("gone.jpg", lambda row: row["status"] == "DELETED")
    assert deleted["version_id"] == marker
    assert pipeline.soon(lambda: thumbnails() == [])
    # WHEN the delete marker is removed
    pipeline.s3.delete_object(Bucket=bucket, Key=key, VersionId=marker)
    # THEN the photo is answered once more
    back = pipeline.row_that("gone.jpg", lambda row: row["status"] in CLASSIFIED)
    assert back["version_id"] == first
    assert pipeline.soon(lambda: thumbnails() == [back["thumbnail"]])
    # AND gone when its last version is
    pipeline.s3.delete_object(Bucket=bucket, Key=key, VersionId=first)
    pipeline.row_that("gone.jpg", lambda row: row["status"] == "DELETED")
    assert pipeline.soon(lambda: thumbnails() == [])
