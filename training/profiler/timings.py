"""Phases and steps of the training loop, recorded at a cost of a few microseconds a step.

A phase costs two clock readings and one list append; a step one append. Text is made when 4,096
phases or 30 seconds have accumulated, outside the step's own time, and is charged to the phase
"profiler". The file is SageMaker Debugger's framework timeline (Chrome's trace events, one a line):

    framework/pevents/<YYYYmmddHH>/<end, epoch us>_<pid>-algo-1_pythontimeline.json

It carries a `.tmp` at its end until the job ends, as smdebug's own writer does; a killed job leaves
that. A step's phases stand in its `args`; phases outside a step are events of their own.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO, get_args

from training.profiler.clock import Clock, process_start_us

Mode = Literal["train", "eval"]
Phase = Literal[
    "initialisation",
    "data",
    "features",
    "forward",
    "backward",
    "optimizer",
    "hook",
    "checkpoint",
    "eval",
    "finalisation",
    "profiler",
]
# Phases that lie between steps: entering or leaving one starts the clock of the next step anew.
OUTSIDE: frozenset[Phase] = frozenset(
    ("initialisation", "features", "checkpoint", "eval", "finalisation", "profiler")
)
STEP_EVENTS: dict[Mode, str] = {"train": "Step:ModeKeys.TRAIN", "eval": "Step:ModeKeys.EVAL"}
_FLUSH_SPANS = 4096
_FLUSH_NS = 30_000_000_000

Span = tuple[str, int, int]  # phase, start and end (perf_counter_ns)


# mode, epoch, step, batch size, traced, start and end (perf_counter_ns), spans so far
_Step = tuple[Mode, int, int, int, bool, int, int, int]


class _Within:
    """A phase of a step. One object a phase: entering it allocates nothing but the span."""

    __slots__ = ("_name", "_spans", "_starts")

    def __init__(self, name: str, spans: list[Span]) -> None:
        self._name = name
        self._spans = spans
        self._starts: list[int] = []

    def __enter__(self) -> None:
        self._starts.append(time.perf_counter_ns())

    def __exit__(self, *_: object) -> None:
        self._spans.append((self._name, self._starts.pop(), time.perf_counter_ns()))


class _Between(_Within):
    """A phase between steps."""

    __slots__ = ("_timings",)

    def __init__(self, name: str, spans: list[Span], timings: "Timings") -> None:
        super().__init__(name, spans)
        self._timings = timings

    def __enter__(self) -> None:
        super().__enter__()
        self._timings.begin_step()

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self._timings.flush_if_due()
        self._timings.begin_step()


def no_phases() -> dict[str, AbstractContextManager[None]]:
    """The phases when nothing is recorded."""
    nothing = nullcontext()
    return dict.fromkeys(get_args(Phase), nothing)


class Timings:
    """The timeline of one process. Phases belong to the thread that runs the loop."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Create the timeline under `folder`. Raises OSError when that fails."""
        self._clock = clock
        self._spans: list[Span] = []
        self._steps: list[_Step] = []
        self.phases: dict[str, AbstractContextManager[None]] = {
            name: _Between(name, self._spans, self)
            if name in OUTSIDE
            else _Within(name, self._spans)
            for name in get_args(Phase)
        }
        self.traced = False
        self._started_ns = self._begin_ns = self._flushed_ns = time.perf_counter_ns()
        self._first = True
        self._folder = folder / "framework" / "pevents"
        self._file, self._path = self._open()

    def begin_step(self) -> None:
        """The next step begins now."""
        self._begin_ns = time.perf_counter_ns()
        self._first = False

    def step(self, mode: Mode, epoch: int, step: int, batch_size: int) -> None:
        """Mark the end of a step, which began at the mark before or at the phase between."""
        now = time.perf_counter_ns()
        begin = self._begin_ns
        if self._first and self._spans:  # no phase marked the end of initialisation
            begin = min(span[1] for span in self._spans)
        self._first = False
        self._steps.append(
            (mode, epoch, step, batch_size, self.traced, begin, now, len(self._spans))
        )
        self._begin_ns = now
        if len(self._spans) >= _FLUSH_SPANS or now - self._flushed_ns > _FLUSH_NS:
            self._flush_as_phase()

    def flush_if_due(self) -> None:
        """Write the accumulated phases, if they are many or old."""
        if self._spans and (
            len(self._spans) >= _FLUSH_SPANS or self._spans[-1][2] - self._flushed_ns > _FLUSH_NS
        ):
            self._flush_as_phase()

    def close(self) -> None:
        """Write the rest, end the JSON list and give the file its final name."""
        self._flush()
        self._file.write("\n]\n")
        self._file.close()
        end_us = self._clock.epoch_us(time.perf_counter_ns())
        self._path.rename(self._path.with_name(f"{end_us}_{_node()}_pythontimeline.json"))

    def _open(self) -> tuple[TextIO, Path]:
        start_us = self._clock.epoch_us(self._started_ns)
        hour = datetime.fromtimestamp(start_us / 1e6, UTC).strftime("%Y%m%d%H")
        path = self._folder / hour / f"{start_us}_{_node()}_pythontimeline.json.tmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8")
        names = [*STEP_EVENTS.values(), *get_args(Phase)]
        self._process = {name: number for number, name in enumerate(names)}
        # smdebug adds the first to every event's `ts`; the second is ours.
        start = {
            "start_time_since_epoch_in_micros": start_us,
            "process_start_in_micros": process_start_us(self._clock),
        }
        heads = [
            json.dumps({"name": "process_name", "ph": "M", "pid": number, "args": args})
            for name, number in self._process.items()
            for args in [{"name": name} | start]
        ]
        file.write("[\n" + ",\n".join(heads))
        file.flush()
        return file, path

    def _flush_as_phase(self) -> None:
        start = time.perf_counter_ns()
        self._flush()
        self._flushed_ns = self._begin_ns = time.perf_counter_ns()
        self._spans.append(("profiler", start, self._flushed_ns))

    def _flush(self) -> None:
        lines: list[str] = []
        written = 0
        for step in self._steps:
            begin, count = step[5], step[7]
            inside: list[Span] = []
            for span in self._spans[written:count]:
                if span[0] in OUTSIDE or span[1] < begin:
                    lines.append(self._event(span[0], span[1], span[2]))
                else:
                    inside.append(span)
            lines.append(self._step_event(step, inside))
            written = count
        lines += [self._event(*span) for span in self._spans[written:]]
        self._steps.clear()
        self._spans.clear()
        if lines:
            self._file.write(",\n" + ",\n".join(lines))
        self._file.flush()

    def _event(self, name: str, start: int, end: int, args: str = "") -> str:
        ts = (start - self._started_ns) // 1000
        return (
            f'{{"name":"{name}","ph":"X","pid":{self._process[name]},"tid":0,"ts":{ts},'
            f'"dur":{(end - start) // 1000}{args}}}'
        )

    def _step_event(self, step: _Step, inside: Sequence[Span]) -> str:
        mode, epoch, number, batch_size, traced, start, end, _ = step
        totals: dict[str, int] = {}
        for name, own_ns in own_times(inside):
            totals[name] = totals.get(name, 0) + own_ns
        phases = ",".join(f'"{name}":{ns // 1000}' for name, ns in totals.items())
        args = (
            f',"args":{{"step_num":"{number}","epoch":{epoch},"batch_size":{batch_size},'
            f'"traced":{"true" if traced else "false"},"phases_us":{{{phases}}}}}'
        )
        return self._event(STEP_EVENTS[mode], start, end, args)


def own_times(spans: Sequence[Span]) -> Iterator[tuple[str, int]]:
    """Each span's name and its time without the spans inside it, in ns.

    `spans` are of one thread, in the order in which they ended: children come before parents.
    """
    open_: list[Span] = []
    for span in spans:
        inside = 0
        while open_ and open_[-1][1] >= span[1]:
            child = open_.pop()
            inside += child[2] - child[1]
        open_.append(span)
        yield span[0], span[2] - span[1] - inside


def _node() -> str:
    return f"{os.getpid()}-algo-1"
