"""smdebug's own readers read what the profiler recorded."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from training.profiler import JobFacts, Profiler
from training.profiler.reader import read

pytest.importorskip("smdebug")


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for the condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profiler's folder after a loop of 20 steps and two samples of the machine."""
    base = tmp_path_factory.mktemp("ml")
    recorded = base / "output" / "profiler"
    profiler = Profiler.start(base, enabled=True)
    for number in range(20):
        with profiler.phase("forward"):
            pass
        profiler.step("train", 1, number, 32)
    until(lambda: len(read(recorded).samples) >= 2)
    profiler.close(base / "output" / "data", JobFacts("job"))
    return recorded


def test_system_metrics_reader_reads_the_samples(folder: Path) -> None:
    from smdebug.profiler.system_metrics_reader import LocalSystemMetricsReader
    from smdebug.profiler.utils import TimeUnits

    events = LocalSystemMetricsReader(str(folder)).get_events(
        time.time() - 3600, time.time() + 60, unit=TimeUnits.SECONDS
    )
    ours = read(folder).samples
    assert {event.type for event in events} == {"cpu", "memory", "i/o", "network", "process"}
    busy = [e for e in events if (e.name, e.dimension) == ("cpu0", "CPUUtilization")]
    assert [event.value for event in busy] == [sample.cpu[0] for sample in ours]
    assert {e.name for e in events if e.type == "cpu"} == {
        f"cpu{number}" for number in range(os.cpu_count() or 1)
    }
    assert {event.node_id for event in events} == {"algo-1"}


def test_algorithm_metrics_reader_reads_the_steps(folder: Path) -> None:
    from smdebug.profiler.algorithm_metrics_reader import LocalAlgorithmMetricsReader
    from smdebug.profiler.utils import TimeUnits

    events = LocalAlgorithmMetricsReader(str(folder)).get_events(
        time.time() - 3600, time.time() + 60, unit=TimeUnits.SECONDS
    )
    steps = [event for event in events if event.event_name == "Step:ModeKeys.TRAIN"]
    assert [int(event.event_args["step_num"]) for event in steps] == list(range(20))
    first = read(folder).steps[0]
    assert steps[0].start_time / 1e6 == pytest.approx(first.start_s)
    assert {event.event_phase for event in steps} == {"Step:ModeKeys.TRAIN"}
