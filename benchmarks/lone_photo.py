"""What a lone photo waits for: `python -m benchmarks.lone_photo [--photos 30] [--flood 200]`.

From the upload to the row, with the event source's batching window of a second and without one:
photos that come alone, each after the row of the one before, and a flood. Writes lone_photo.json.

The local cloud's event source does not wait for its window. So it is switched off, and a stand-in
does what AWS documents (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS"): it receives up
to ten messages, goes on receiving until the window is over or ten are there, and invokes the
function, as many at once as the template's local value. AWS says more: with a window and little
traffic, up to 20 s may pass whatever the window. That is not played here. `make model` has to have
run.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from rich.console import Console
from rich.table import Table

from benchmarks.report import machine, write
from benchmarks.whole_path import WholePath, deployed
from tours.stack import LOCAL_CONCURRENCY, PREFIX

WINDOWS_S = (1, 0)
BATCH = 10
DEADLINE_S = 60


def main() -> int:
    """Deploy, measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=30)
    parser.add_argument("--flood", type=int, default=200)
    options = parser.parse_args()
    console, result = Console(), {}
    with deployed(console, options.flood) as path:
        contents = path.contents
        path.burst(contents[:20], "warm")
        event_source(path, enabled=False)
        for window_s in WINDOWS_S:
            with stand_in(path, window_s):
                path.burst(contents[:20], f"warm-{window_s}")
                alone = [
                    lone(path, contents[n % len(contents)], f"{window_s}-{n}")
                    for n in range(options.photos)
                ]
                rates = [
                    len(contents) / path.burst(contents, f"flood-{window_s}-{n}") for n in range(3)
                ]
            result[f"window of {window_s} s"] = {
                "lone_photo_s": alone,
                "median_lone_photo_s": statistics.median(alone),
                "flood_photos_a_second": rates,
                "median_flood_photos_a_second": statistics.median(rates),
            }
    report(console, result, path.source)
    write("lone_photo", {"windows": result, "source": path.source, "machine": machine()})
    return 0


def event_source(path: WholePath, enabled: bool) -> None:
    """Switch the stack's event source on or off."""
    function = path.cloud.client("lambda")
    found = function.list_event_source_mappings(FunctionName=path.outputs["FunctionName"])
    (mapping,) = [
        each for each in found["EventSourceMappings"] if each["EventSourceArn"].endswith("-uploads")
    ]
    function.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)


def lone(path: WholePath, content: bytes, name: str) -> float:
    """Seconds from the upload of one photo to its row."""
    key = f"{PREFIX}lone/{name}.jpg"
    table = path.cloud.resource("dynamodb").Table(path.outputs["TableName"])
    started = time.perf_counter()
    path.cloud.client("s3").put_object(Bucket=path.outputs["BucketName"], Key=key, Body=content)
    while "Item" not in table.get_item(Key={"image_key": key}):
        if time.perf_counter() - started > DEADLINE_S:
            raise SystemExit(f"no row of {key} after {DEADLINE_S} s")
        time.sleep(0.01)
    return time.perf_counter() - started


@contextmanager
def stand_in(path: WholePath, window_s: float) -> Iterator[None]:
    """Feeds the function while it lasts."""
    stop = threading.Event()
    config = Config(max_pool_connections=2 * LOCAL_CONCURRENCY, retries={"total_max_attempts": 1})
    sqs = path.cloud.client("sqs", config=config)
    function = path.cloud.client("lambda", config=config)
    queue, name = path.outputs["QueueUrl"], path.outputs["FunctionName"]
    free = threading.Semaphore(LOCAL_CONCURRENCY)

    def receive(most: int, wait_s: int) -> list[dict[str, Any]]:
        answer = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_s,
            MessageSystemAttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def feed() -> None:
        with ThreadPoolExecutor(LOCAL_CONCURRENCY) as pool:
            while not stop.is_set():
                free.acquire()
                batch = receive(BATCH, 1)
                until = time.monotonic() + window_s
                while batch and len(batch) < BATCH and time.monotonic() < until:
                    batch += receive(BATCH - len(batch), 0)
                    time.sleep(0.01)
                if batch:
                    pool.submit(invoke, batch)
                else:
                    free.release()

    def invoke(batch: list[dict[str, Any]]) -> None:
        try:
            event = {"Records": [record(message) for message in batch]}
            answer = function.invoke(FunctionName=name, Payload=json.dumps(event))
            failed = json.load(answer["Payload"])["batchItemFailures"]
            kept = {each["itemIdentifier"] for each in failed}
            done = [message for message in batch if message["MessageId"] not in kept]
            if done:
                entries = [
                    {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
                    for n, message in enumerate(done)
                ]
                sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        finally:
            free.release()

    thread = threading.Thread(target=feed, name="stand-in")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def record(message: dict[str, Any]) -> dict[str, Any]:
    """A message as the event source hands it to the function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
    }


def report(console: Console, result: dict[str, dict[str, Any]], source: str) -> None:
    table = Table("", *result, title=f"From upload to row, {source}")
    for words, name, unit in (
        ("a lone photo, median", "median_lone_photo_s", "s"),
        ("a flood, median", "median_flood_photos_a_second", "photos a second"),
    ):
        table.add_row(words, *(f"{one[name]:.2f} {unit}" for one in result.values()))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
