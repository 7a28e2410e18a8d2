"""A stack on a local cloud, a bucket that is full already, and `make backfill` over it."""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
from benchmarks.backfill.load import LOOK_S, Kills, Uploads, Watch, every
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
WARM = 20
# The back-fill runs, and rests once its queue is empty, again and again: what else goes on on the
# machine is the same for uploads beside it and alone.
ON_S, OFF_S = 40.0, 20.0


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


@dataclass(frozen=True)
class During:
    """What happened while the back-fill ran, which it did for `seconds`: pauses do not count."""

    seconds: float
    stops: int
    uploads: Counter[str]
    kills: Counter[str]
    memory: dict[str, dict[str, float]]


def race(
    lane: Lane, objects: int, a_second: float, kills: int, pace: float, draw: random.Random
) -> During:
    """The back-fill with uploads beside it and kills; it is stopped and resumed all the time, and
    uploads go on in its pauses.
    """
    uploads = Uploads(lane, a_second, draw)
    fall = sorted((draw.random() for _ in range(kills)), reverse=True)
    killer, states = Kills(lane, fall), lane.cloud.client("stepfunctions")
    for _ in range(WARM):
        uploads.one()
    command = start(lane, pace)
    machine = machine_of(lane, command)
    watch = Watch(lane, machine, objects)

    def look() -> None:
        watch.look()
        if uploads.beside == "beside":
            killer.look(watch.share)

    seconds, stops = 0.0, 0
    with every(LOOK_S, look), every(0, uploads.one):
        while True:
            uploads.beside, began = "beside", time.monotonic()
            run = jobs.required(states, machine, "")
            while run.state == "running" and time.monotonic() - began < ON_S:
                time.sleep(LOOK_S)
                run = jobs.required(states, machine, "")
            if run.state == "running":
                run = jobs.stop(states, machine, run)
                stops += 1
            uploads.beside = "between"
            seconds += time.monotonic() - began
            if run.state == "failed":
                raise SystemExit(run.words)
            quiet(lane, "BackfillQueueUrl")
            uploads.beside = "alone"
            time.sleep(OFF_S)
            if run.state == "finished":
                break
            jobs.resume(states, machine, run)
    command.wait()
    return During(seconds, stops, uploads.counts, killer.counts, watch.growth())


def quiet(lane: Lane, *queues: str) -> None:
    """Until nothing waits any more in these queues."""
    sqs, deadline = lane.cloud.client("sqs"), time.monotonic() + QUIET_S
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for queue in queues:
        while True:
            told = sqs.get_queue_attributes(QueueUrl=lane.outputs[queue], AttributeNames=names)
            if not sum(int(value) for value in told["Attributes"].values()):
                break
            if time.monotonic() > deadline:
                raise SystemExit(f"{queue} is not empty after {QUIET_S:.0f} s")
            time.sleep(0.5)


def verdict(lane: Lane, objects: int, uploads: Mapping[str, int]) -> dict[str, Any]:
    """What the table holds against what was put: one row for each, answered once."""
    wanted = {f"s3://{ARCHIVE}/dogs/{number:07}.jpg" for number in range(objects)}
    wanted |= {
        f"{UPLOADS}{name}/{number:05}.jpg"
        for name, count in uploads.items()
        for number in range(count)
    }
    statuses: Counter[str] = Counter()
    again, unknown, rows = 0, 0, 0
    waits: dict[str, list[int]] = {"alone": [], "beside": []}
    for row in lane.rows():
        rows += 1
        statuses[row["status"]] += 1
        again += int(row.get("answered", 1)) - 1
        key = row["image_key"]
        unknown += key not in wanted
        wanted.discard(key)
        if "latency_ms" in row and (name := key.split("/")[1]) in waits:
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
