"""What goes on while a back-fill runs: uploads and kills at random moments, and eyes on it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median

import psutil

from backfill import jobs
from backfill.follow import queue
from local.children import command_line, descendants
from rigs.lane import UPLOADS, Lane, photo

LOOK_S = 1.0
# Two uploads are never further apart than this.
LONGEST_GAP_S = 20.0


@dataclass
class Watch:
    """Looks at a job every second: how far it is, and how much memory each part has."""

    lane: Lane
    machine: str
    objects: int
    share: float = 0.0
    # Part -> share of the objects and megabytes.
    memory: defaultdict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def __post_init__(self) -> None:
        self._states = self.lane.cloud.client("stepfunctions")
        self._sqs = self.lane.cloud.client("sqs")
        self._parts: dict[int, str] = {}

    def look(self) -> None:
        """Once."""
        run = jobs.find(self._states, self.machine)
        if run is not None:
            waiting = queue(self._sqs, self.lane.outputs["BackfillQueueUrl"])
            done = max(0, run.job.counts.sent - waiting.all)
            self.share = max(self.share, min(1.0, done / self.objects))
        for part, megabytes in self._sizes().items():
            self.memory[part].append((self.share, megabytes))

    def _sizes(self) -> dict[str, float]:
        root = self.lane.cloud.pid or 0
        sizes: defaultdict[str, float] = defaultdict(float)
        for pid in (root, *descendants(root)):
            with suppress(psutil.Error):
                part = self._part(pid, root)
                # Of several environments of a function the largest.
                if megabytes := psutil.Process(pid).memory_info().rss / 1e6:
                    sizes[part] = max(sizes[part], megabytes)
        return sizes

    def _part(self, pid: int, root: int) -> str:
        if pid == root:
            return "local cloud"
        if pid not in self._parts:
            name = psutil.Process(pid).environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
            serving = "endpoint" if "--model-dir" in command_line(pid) else "local cloud"
            self._parts[pid] = (
                "lister" if name == self.lane.lister else "classify" if name else serving
            )
        return self._parts[pid]

    def growth(self) -> dict[str, dict[str, float]]:
        """Part -> median megabytes in the second quarter of the objects, and in the last one."""
        return {
            part: {
                "second_quarter_mb": _median(seen, 0.25, 0.5),
                "last_quarter_mb": _median(seen, 0.75, 1.0),
            }
            for part, seen in sorted(self.memory.items())
        }


def _median(seen: list[tuple[float, float]], low: float, high: float) -> float:
    inside = [megabytes for share, megabytes in seen if low <= share <= high]
    return median(inside) if inside else float("nan")


@contextmanager
def every(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """The action again and again in a thread of its own; its fault is raised at the end."""
    stop, faults = threading.Event(), []

    def work() -> None:
        try:
            while not stop.wait(seconds):
                action()
        except Exception as fault:  # noqa: BLE001 - raised by whoever started the thread
            faults.append(fault)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if faults:
        raise faults[0]


@dataclass
class Uploads:
    """Live uploads at random moments, so many a second; each is kept by what went on beside it."""

    lane: Lane
    a_second: float
    draw: random.Random
    beside: str = "warm"
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._s3 = self.lane.cloud.client("s3")

    def one(self) -> None:
        """Waits for the next moment, and puts a photo."""
        time.sleep(min(LONGEST_GAP_S, self.draw.expovariate(self.a_second)))
        name = self.beside
        key = f"{UPLOADS}{name}/{self.counts[name]:05}.jpg"
        content = photo(5_000_000 + self.counts.total())
        self._s3.put_object(Bucket=self.lane.bucket, Key=key, Body=content)
        self.counts[name] += 1


@dataclass
class Kills:
    """kill -9 of the function that answers and of the lister in turn, at random points of a job."""

    lane: Lane
    moments: list[float]  # shares of the objects, falling
    counts: Counter[str] = field(default_factory=Counter)

    def look(self, share: float) -> None:
        """Kills once if its time has come, and there is something to kill."""
        if self.moments and share >= self.moments[-1]:
            name = ("classify", "lister")[len(self.moments) % 2]
            function = self.lane.lister if name == "lister" else self.lane.outputs["FunctionName"]
            if self.lane.kill(function):
                self.counts[name] += 1
                self.moments.pop()
