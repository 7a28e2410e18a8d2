"""Phases and steps: what is written, and what it costs."""

import json
import time
from pathlib import Path

import pytest

from training.profiler.clock import Clock
from training.profiler.reader import read
from training.profiler.session import Profiler
from training.profiler.timings import Timings, own_times


def wait(seconds: float = 0.002) -> None:
    """Spend at least `seconds` of time."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def timings(folder: Path) -> Timings:
    """An open timeline under `folder`."""
    return Timings(folder, Clock.start())


def test_step_holds_the_phases_since_the_mark_before(tmp_path: Path) -> None:
    made = timings(tmp_path)
    for number in range(3):
        for phase in ("data", "forward", "forward"):
            with made.phases[phase]:
                wait()
        made.step("train", 1, number, 32)
    made.close()

    steps = read(tmp_path).steps
    assert [(s.mode, s.epoch, s.number, s.batch_size) for s in steps] == [
        ("train", 1, number, 32) for number in range(3)
    ]
    for step in steps:
        assert set(step.phases) == {"data", "forward"}
        assert step.phases["forward"] >= 0.0039
        assert sum(step.phases.values()) <= step.seconds + 1e-5


def test_phase_between_steps_is_not_a_part_of_the_next_step(tmp_path: Path) -> None:
    made = timings(tmp_path)
    made.step("train", 1, 0, 32)
    with made.phases["checkpoint"]:
        wait(0.05)
    made.step("train", 1, 1, 32)
    made.close()

    recording = read(tmp_path)
    assert recording.steps[1].start_s >= recording.spans[0].end_s - 1e-5
    assert recording.steps[1].phases == {}
    assert recording.spans[0].name == "checkpoint"


def test_nested_phases_count_their_own_time_only(tmp_path: Path) -> None:
    made = timings(tmp_path)
    with made.phases["forward"]:
        wait(0.004)
        with made.phases["hook"]:
            wait(0.02)
    made.step("train", 1, 0, 32)
    made.close()

    phases = read(tmp_path).steps[0].phases
    assert phases["hook"] >= 0.02
    assert phases["forward"] + phases["hook"] <= read(tmp_path).steps[0].seconds + 1e-5


def test_own_times_of_nested_spans() -> None:
    spans = [("a", 2, 3), ("b", 4, 6), ("c", 1, 10), ("d", 11, 12)]
    assert list(own_times(spans)) == [("a", 1), ("b", 2), ("c", 6), ("d", 1)]


def test_steps_inside_an_evaluation_begin_with_it(tmp_path: Path) -> None:
    made = timings(tmp_path)
    made.step("train", 1, 0, 32)
    wait(0.02)
    with made.phases["eval"]:
        with made.phases["forward"]:
            wait()
        made.step("eval", 1, 0, 64)
    made.close()

    step = read(tmp_path).steps[1]
    assert step.seconds < 0.02
    assert "forward" in step.phases


def test_phase_that_raises_is_recorded_and_raises(tmp_path: Path) -> None:
    made = timings(tmp_path)
    with pytest.raises(ValueError, match="stop"), made.phases["features"]:
        raise ValueError("stop")
    made.close()
    assert read(tmp_path).spans[0].name == "features"


def test_many_steps_are_written_before_the_end(tmp_path: Path) -> None:
    made = timings(tmp_path)
    for number in range(5000):
        with made.phases["forward"]:
            pass
        made.step("train", 1, number, 1)
    before = read(tmp_path)  # as a killed job leaves it
    assert len(before.steps) >= 4096
    assert before.damaged_lines == 0
    made.close()
    after = read(tmp_path)
    assert len(after.steps) == 5000
    assert any(span.name == "profiler" for span in after.spans)


def test_closed_timeline_is_a_json_list(tmp_path: Path) -> None:
    made = timings(tmp_path)
    with made.phases["features"]:
        pass
    made.step("train", 1, 0, 32)
    made.close()
    (path,) = tmp_path.rglob("*_pythontimeline.json")
    assert {event["ph"] for event in json.loads(path.read_text())} == {"M", "X"}
    assert not list(tmp_path.rglob("*.tmp"))


def test_wall_clock_that_is_set_back_does_not_reach_the_timings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = timings(tmp_path)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)
    monkeypatch.setattr(time, "time", lambda: real() / 1e9 - 3600)
    made.step("train", 1, 0, 32)
    made.close()
    step = read(tmp_path).steps[0]
    assert abs(step.end_s - real() / 1e9) < 60


def test_profiler_that_is_off_records_nothing(tmp_path: Path) -> None:
    profiler = Profiler.start(tmp_path, enabled=False)
    with profiler.phase("data"), profiler.operators():
        pass
    profiler.step("train", 1, 0, 32)
    assert not profiler.enabled
    assert list(tmp_path.iterdir()) == []


def test_unknown_phase_is_refused_on_or_off(tmp_path: Path) -> None:
    profiler = Profiler.start(tmp_path, enabled=False)
    with pytest.raises(KeyError):
        profiler.phase("lunch")  # type: ignore[arg-type]
