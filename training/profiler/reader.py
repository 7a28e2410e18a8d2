"""The files of one job's recording: the only way from them to the analysis.

Reads our own files and those that SageMaker wrote (`profiler-output/` of a training job). Lines
that cannot be read, such as the last one of a killed job, are counted and skipped.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.profiler.clock import Clock
from training.profiler.facts import UNKNOWN, JobFacts
from training.profiler.operators import Operator
from training.profiler.recording import Recording, Sample, Span, Step
from training.profiler.timings import STEP_EVENTS

OPERATORS = "operators.json"
_FACTS = "job.json"
# SageMaker stamps the metrics of one sample up to 10 ms apart; samples lie 100 ms apart or more.
_SAME_SAMPLE_S = 0.05
_MODES = {event: mode for mode, event in STEP_EVENTS.items()}
# (name, dimension) of a machine-wide metric -> field of Sample. Network traffic is the
# container's ("Algorithm"), not the host's ("Platform").
_FIELDS = {
    ("MemoryUsedPercent", ""): "memory",
    ("IOPS", ""): "disk_operations",
    ("ReadThroughputInBytesPerSecond", ""): "read",
    ("WriteThroughputInBytesPerSecond", ""): "written",
    ("ReceiveBytesPerSecond", "Algorithm"): "received",
    ("TransmitBytesPerSecond", "Algorithm"): "sent",
    ("job", "ProcessUtilization"): "job_cpu",
    ("job", "ProcessResidentPercent"): "job_memory",
    ("job", "ProcessResidentBytes"): "job_bytes",
}
# Dimension of a metric that every core or GPU has -> field of Sample.
_DEVICES = {
    "CPUUtilization": "cpu",
    "I/OWaitPercentage": "io_wait",
    "GPUUtilization": "gpu",
    "GPUMemoryUtilization": "gpu_memory",
}


def write_facts(folder: Path, job: JobFacts, clock: Clock) -> None:
    """Write what the metrics do not hold: the job's facts and its end."""
    facts = asdict(job) | {"flags": {name: str(value) for name, value in job.flags.items()}}
    text = json.dumps(facts | {"end_s": clock.now_s()}, indent=1, ensure_ascii=False)
    (folder / _FACTS).write_text(text, encoding="utf-8")


def find_folder(folder: Path) -> Path:
    """The profiler's folder in or at `folder`, which may be a job's output or an S3 copy of one.

    Raises FileNotFoundError when no recording is there.
    """
    for name in ("", "profiler", "output/profiler", "profiler-output"):
        candidate = folder / name
        if (candidate / "system").is_dir() or (candidate / "framework").is_dir():
            return candidate
    raise FileNotFoundError(
        f"no profiler recording in {folder}: expected a folder that holds system/ or framework/, "
        "such as a job's output/profiler"
    )


def read(folder: Path) -> Recording:
    """Read the recording in `folder`. A folder without records gives an empty recording."""
    metrics, damaged = _parse(folder, "system/incremental/**/*.json")
    events, damaged_events = _parse(folder, "framework/pevents/*/*_pythontimeline.json*")
    samples = sorted(_samples(metrics), key=lambda sample: sample.at_s)
    starts, spans, steps = _timeline(events)
    facts = _read_object(folder / _FACTS)
    operators = _read_object(folder / OPERATORS)
    times = [
        *starts,
        *(sample.at_s for sample in samples[:1] + samples[-1:]),
        *(time for span in spans for time in (span.start_s, span.end_s)),
        *(time for step in steps for time in (step.start_s, step.end_s)),
    ]
    return Recording(
        job=JobFacts(
            name=facts.get("name", UNKNOWN),
            flags=facts.get("flags", {}),
            failure=facts.get("failure"),
            workers=facts.get("workers"),
            views=facts.get("views", 1),
            hints=facts.get("hints", {}),
        ),
        start_s=min(times, default=0.0),
        end_s=max([*times, facts.get("end_s", 0.0)]),
        complete=bool(facts),
        samples=tuple(samples),
        spans=tuple(sorted(spans, key=lambda span: (span.start_s, -span.end_s))),
        steps=tuple(sorted(steps, key=lambda step: step.end_s)),
        operators=tuple(Operator(**row) for row in operators.get("operators", [])),
        operator_us=operators.get("self_cpu_us", 0.0),
        damaged_lines=damaged + damaged_events,
    )


def _parse(folder: Path, pattern: str) -> tuple[list[dict[str, Any]], int]:
    """The JSON objects, one a line, of the files, and how many lines were not one.

    The lines may stand in a JSON list, as SageMaker's framework timeline does.
    """
    parsed: list[dict[str, Any]] = []
    damaged = 0
    for path in sorted(folder.glob(pattern)):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            text = line.strip().rstrip(",")
            if text in ("", "[", "]"):
                continue
            try:
                value = json.loads(text)
            except json.JSONDecodeError:
                damaged += 1
                continue
            if isinstance(value, dict):
                parsed.append(value)
            else:
                damaged += 1
    return parsed, damaged


def _read_object(path: Path) -> dict[str, Any]:
    """The object in `path`; empty when the job was killed before or while it was written."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _samples(metrics: list[dict[str, Any]]) -> Iterator[Sample]:
    """Group the metrics of the same moment into samples."""
    metrics.sort(key=lambda metric: metric["Timestamp"])
    groups: list[list[dict[str, Any]]] = []
    for metric in metrics:
        if not groups or metric["Timestamp"] - groups[-1][0]["Timestamp"] > _SAME_SAMPLE_S:
            groups.append([])
        groups[-1].append(metric)
    for group in groups:
        values: dict[str, Any] = {}
        devices: dict[str, dict[str, float]] = {}
        for metric in group:
            name, dimension, value = metric["Name"], metric["Dimension"], metric["Value"]
            if dimension in _DEVICES:
                devices.setdefault(_DEVICES[dimension], {})[name] = value
            elif (name, dimension) in _FIELDS:
                values[_FIELDS[name, dimension]] = value
        for field, named in devices.items():
            values[field] = tuple(named[name] for name in sorted(named, key=_device_number))
        yield Sample(at_s=group[-1]["Timestamp"], **values)


def _device_number(name: str) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, name))
    return int(digits or 0), name


def _timeline(events: list[dict[str, Any]]) -> tuple[list[float], list[Span], list[Step]]:
    """Starts of the recorded processes (epoch seconds), their phases and their steps.

    A job that was resumed in the same folder has several processes, one file after the other.
    """
    starts: list[float] = []
    spans: list[Span] = []
    steps: list[Step] = []
    origin_us = 0
    for event in events:
        name, args = event["name"], event.get("args", {})
        if event["ph"] == "M":
            origin_us = args["start_time_since_epoch_in_micros"]
            starts.append(args["process_start_in_micros"] / 1e6)
            continue
        start_s = (origin_us + event["ts"]) / 1e6
        end_s = start_s + event["dur"] / 1e6
        if name not in _MODES:
            spans.append(Span(name, start_s, end_s))
            continue
        steps.append(
            Step(
                mode=_MODES[name],
                epoch=args["epoch"],
                number=int(args["step_num"]),
                batch_size=args["batch_size"],
                start_s=start_s,
                end_s=end_s,
                phases={phase: us / 1e6 for phase, us in args["phases_us"].items()},
                traced=args["traced"],
            )
        )
    return starts, spans, steps
