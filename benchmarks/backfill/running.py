"""A stack on a local cloud, a bucket that is full already, and `make backfill` over it."""

from __future__ import annotations

import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from botocore.config import Config
from rich.console import Console
from rich.progress import track

from backfill import jobs
from benchmarks.backfill.counting import Counts
from benchmarks.backfill.load import LOOK_S, Watch, at_random, every, upload
from benchmarks.report import ROOT
from local.children import command_line, descendants
from local.launch import Cloud, free_port
from rigs import lane as lanes
from rigs.faults import FaultProxy
from rigs.lane import UPLOADS, Lane, photo

STACK, ARCHIVE = "kennel", "archive-of-2019"
# What a killed function's messages wait for; 360 s as deployed.
VISIBILITY_S = 20
PUTTERS = 8
QUIET_S = 900.0
# Live uploads a second while nothing else goes on.
ALONE_RATE = 4.0


@contextmanager
def stack(counts: Counts | None = None, takes_s: float = 0) -> Iterator[Lane]:
    """Deployed, with the small model behind its endpoint."""
    with tempfile.TemporaryDirectory(prefix="backfill-") as name:
        port = free_port()
        proxy = FaultProxy(f"http://127.0.0.1:{port}", watch=counts.add) if counts else None
        if proxy:
            proxy.start()
        cloud = Cloud(Path(name) / "state", proxy.url if proxy else None, port)
        try:
            with cloud.running():
                lanes.serve(cloud, "1", takes_s)
                lane = lanes.deploy(cloud, STACK, f"BackfillBucket={ARCHIVE}", "MaxConcurrency=2")
                sqs = cloud.client("sqs")
                for queue in ("QueueUrl", "BackfillQueueUrl"):
                    sqs.set_queue_attributes(
                        QueueUrl=lane.outputs[queue],
                        Attributes={"VisibilityTimeout": str(VISIBILITY_S)},
                    )
                yield lane
        finally:
            if proxy:
                proxy.stop()


def fill(lane: Lane, count: int, console: Console) -> None:
    """So many small photos in a bucket that tells of none."""
    s3 = lane.cloud.client("s3", config=Config(max_pool_connections=PUTTERS))
    s3.create_bucket(Bucket=ARCHIVE)

    def put(number: int) -> None:
        s3.put_object(Bucket=ARCHIVE, Key=f"dogs/{number:07}.jpg", Body=photo(number))

    with ThreadPoolExecutor(PUTTERS) as pool:
        done = pool.map(put, range(count))
        for _ in track(done, "filling the bucket", total=count, console=console):
            pass


def start(lane: Lane, pace: float = 0) -> subprocess.Popen[bytes]:
    """`make backfill`, which follows it to its end."""
    command = ["make", "backfill", f"FROM=s3://{ARCHIVE}/", f"STACK={STACK}", "YES=1"]
    output = (lane.cloud.state_dir / "make.out").open("wb")
    return subprocess.Popen(
        [*command, f"PACE={pace:g}", f"OUT={lane.cloud.state_dir}/out"],
        cwd=ROOT,
        env=lane.cloud.environment(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def machine_of(lane: Lane, command: subprocess.Popen[bytes]) -> str:
    """The state machine, once the command has made it and started its job."""
    states = lane.cloud.client("stepfunctions")
    while command.poll() is None:
        for machine in states.list_state_machines()["stateMachines"]:
            if jobs.find(states, machine["stateMachineArn"]):
                return str(machine["stateMachineArn"])
        time.sleep(0.2)
    raise SystemExit((lane.cloud.state_dir / "make.out").read_text())


def live(lane: Lane, name: str, count: int, draw: random.Random) -> None:
    """Uploads at random moments with nothing beside them."""
    s3 = lane.cloud.client("s3")
    left = [count]

    def one(number: int) -> None:
        left[0] -= 1
        upload(lane, s3, name, number)

    at_random(count, draw, lambda: max(1, left[0]) / ALONE_RATE, one)


@dataclass(frozen=True)
class During:
    """What happened while the back-fill ran."""

    seconds: float
    uploads: int
    kills: Counter[str]
    memory: dict[str, dict[str, float]]
    exit_code: int


def race(lane: Lane, objects: int, live: int, kills: int, pace: float, seed: int) -> During:
    """The back-fill, and beside it live uploads and kills, each at moments of their own."""
    command = start(lane, pace)
    watch = Watch(lane, machine_of(lane, command), objects)
    began = time.monotonic()
    killed: Counter[str] = Counter()
    s3 = lane.cloud.client("s3")
    uploaded = [0]

    def left_s() -> float:
        return watch.left_s() if command.poll() is None and watch.share < 1 else 0.0

    def kill(number: int) -> None:
        function = lane.lister if number % 2 else lane.outputs["FunctionName"]
        killed["lister" if number % 2 else "classify"] += lane.kill(function) > 0

    def send() -> None:
        uploaded[0] = at_random(
            live, random.Random(seed), left_s, lambda number: upload(lane, s3, "during", number)
        )

    threads = [
        threading.Thread(target=send),
        threading.Thread(target=at_random, args=(kills, random.Random(seed + 1), left_s, kill)),
    ]
    with every(LOOK_S, watch.look):
        for thread in threads:
            thread.start()
        command.wait()
        for thread in threads:
            thread.join()
    seconds = time.monotonic() - began
    return During(seconds, uploaded[0], killed, watch.growth(), command.returncode)


def quiet(lane: Lane) -> None:
    """Until nothing waits any more in either queue."""
    sqs, deadline = lane.cloud.client("sqs"), time.monotonic() + QUIET_S
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for queue in ("QueueUrl", "BackfillQueueUrl"):
        while True:
            told = sqs.get_queue_attributes(QueueUrl=lane.outputs[queue], AttributeNames=names)
            if not sum(int(value) for value in told["Attributes"].values()):
                break
            if time.monotonic() > deadline:
                raise SystemExit(f"{queue} is not empty after {QUIET_S:.0f} s")
            time.sleep(0.5)


def verdict(lane: Lane, objects: int, uploads: dict[str, int]) -> dict[str, Any]:
    """What the table holds against what was put: one row for each, answered once."""
    wanted = {f"s3://{ARCHIVE}/dogs/{number:07}.jpg" for number in range(objects)}
    wanted |= {
        f"{UPLOADS}{name}/{number:05}.jpg"
        for name, count in uploads.items()
        for number in range(count)
    }
    statuses: Counter[str] = Counter()
    of_wait = {"before": "alone", "after": "alone", "during": "during"}
    again, unknown, rows = 0, 0, 0
    waits: dict[str, list[int]] = {"alone": [], "during": []}
    for row in lane.rows():
        rows += 1
        statuses[row["status"]] += 1
        again += int(row.get("answered", 1)) - 1
        key = row["image_key"]
        unknown += key not in wanted
        wanted.discard(key)
        if "latency_ms" in row and (name := of_wait.get(key.split("/")[1])):
            waits[name].append(int(row["latency_ms"]))
    dead = lane.cloud.client("sqs").get_queue_attributes(
        QueueUrl=lane.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]["ApproximateNumberOfMessages"]
    return {
        "rows": rows,
        "objects_without_row": len(wanted),
        "rows_without_object": unknown,
        "rows_answered_again": again,
        "statuses": dict(statuses),
        "dead_letters": int(dead),
        "photos_asked_of_the_endpoint": asked(lane),
        "live_wait_ms": {name: spread(found) for name, found in waits.items()},
    }


def spread(values: Sequence[int]) -> dict[str, float]:
    return {
        "count": len(values),
        "median": median(values),
        "p95": quantiles(values, n=20)[-1],
        "max": max(values),
    }


def asked(lane: Lane) -> int:
    """Photos that the small model was asked about, by its own count."""
    for pid in descendants(lane.cloud.pid or 0):
        words = command_line(pid).split()
        if "--model-dir" in words:
            folder = Path(words[words.index("--model-dir") + 1])
            return int((folder / "asked").read_text())
    raise SystemExit("the endpoint is gone")


def transitions(lane: Lane) -> int:
    """States that the newest job has entered, over all of its executions."""
    states = lane.cloud.client("stepfunctions")
    (machine,) = states.list_state_machines()["stateMachines"]
    entered = 0
    for execution in states.list_executions(stateMachineArn=machine["stateMachineArn"])[
        "executions"
    ]:
        pages = states.get_paginator("get_execution_history").paginate(
            executionArn=execution["executionArn"]
        )
        entered += sum(
            event["type"].endswith("StateEntered") for p in pages for event in p["events"]
        )
    return entered
