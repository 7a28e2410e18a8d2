"""Made-up recordings: a job of which each test says what is unusual."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.profiler.facts import JobFacts, Lever
from training.profiler.recording import Recording, Sample, Span, Step

START_S = 1_795_366_140.0  # a full minute
HINTS: Mapping[Lever, str] = {
    "batch size": "--batch, now 32",
    "debugger hook": "--no-hook",
    "loader workers": "--loaders",
    "reused features": "--features FOLDER",
    "views": "--crops",
}
QUIET_PHASES = {"data": 0.0005, "forward": 0.004, "backward": 0.004, "optimizer": 0.001}


def samples(count: int, *, start_s: float = START_S + 10, **values: Any) -> list[Sample]:
    """`count` samples, half a second apart; a value that can be called is given the number."""
    usual: dict[str, Any] = {
        "cpu": (80.0, 82.0),
        "io_wait": (1.0, 0.0),
        "memory": 30.0,
        "read": 1000.0,
        "written": 500.0,
        "received": 10.0,
        "sent": 5.0,
        "disk_operations": 3.0,
        "job_cpu": 78.0,
        "job_memory": 10.0,
        "job_bytes": 2e9,
    }
    return [
        Sample(
            at_s=start_s + (number + 1) / 2,
            **{
                name: value(number) if callable(value) else value
                for name, value in (usual | values).items()
            },
        )
        for number in range(count)
    ]


def steps(
    count: int,
    *,
    start_s: float = START_S + 10,
    mode: str = "train",
    phases: Mapping[str, float] = QUIET_PHASES,
    slow: Mapping[int, float] | None = None,
) -> list[Step]:
    """`count` steps one after the other; `slow` adds seconds to the data phase of some."""
    made: list[Step] = []
    now_s = start_s
    for number in range(count):
        own = dict(phases)
        own["data"] = own.get("data", 0.0) + (slow or {}).get(number, 0.0)
        # A deterministic wobble of a tenth, so that the durations have a spread.
        length_s = sum(own.values()) * (1 + 0.02 * (number % 5))
        made.append(Step(mode, 1, number, 32, now_s, now_s + length_s, own))
        now_s += length_s
    return made


def recording(
    *,
    samples: Sequence[Sample] = (),
    spans: Sequence[Span] = (),
    steps: Sequence[Step] = (),
    end_s: float | None = None,
    job: JobFacts | None = None,
    **values: Any,
) -> Recording:
    """A recording that ends with the last of what is in it, unless said otherwise."""
    times = [START_S, *(sample.at_s for sample in samples)]
    times += [span.end_s for span in spans] + [step.end_s for step in steps]
    return Recording(
        job=job or JobFacts("job", {"batch_size": 32}, hints=HINTS),
        start_s=START_S,
        end_s=max(times) if end_s is None else end_s,
        complete=True,
        samples=tuple(samples),
        spans=tuple(spans),
        steps=tuple(steps),
        **values,
    )
