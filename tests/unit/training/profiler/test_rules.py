"""Every profiler rule: a recording that must trigger it, one that must not, one it cannot judge."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.training.profiler.recordings import HINTS, START_S, recording, samples, steps
from training.profiler.analysis import Timeline
from training.profiler.analysis.rules import RULES, Finding, evaluate
from training.profiler.facts import JobFacts
from training.profiler.recording import Recording, Span

LOADING = {"data": 0.09, "forward": 0.005, "backward": 0.004, "optimizer": 0.001}
BUSY: dict[str, Any] = {"cpu": (97.0, 99.0)}


def find(rule: str, made: Recording) -> Finding:
    """The rule's finding in the recording."""
    return {finding.rule: finding for finding in evaluate(Timeline.of(made))}[rule]


def job(count: int = 60, phases: dict[str, float] | None = None, **values: Any) -> Recording:
    """`count` samples during a training loop of as many half seconds."""
    each = phases or {"data": 0.005, "forward": 0.04, "backward": 0.04, "optimizer": 0.015}
    loop = steps(int(count / 2 / sum(each.values())) + 1, phases=each)
    return recording(samples=samples(count, **values), steps=loop)


def outliers(count: int) -> Recording:
    """1,000 steps, of which `count` took ten times as long."""
    return recording(steps=steps(1000, slow={50 + 40 * i: 0.1 for i in range(count)}))


def initialising(seconds: float, end_s: float) -> Recording:
    """Features that took `seconds`, then a short loop."""
    features = Span("features", START_S, START_S + seconds)
    loop = steps(100, start_s=features.end_s)
    return recording(spans=[features], steps=loop, end_s=START_S + end_s)


TRIGGERED: dict[str, Callable[[], Recording]] = {
    "CPUBottleneck": lambda: job(phases=LOADING, **BUSY),
    "IOBottleneck": lambda: job(io_wait=(75.0, 10.0), cpu=(20.0, 20.0)),
    "Dataloader": lambda: job(phases=LOADING),
    "BatchSize": lambda: job(cpu=(40.0, 45.0), memory=20.0),
    "LoadBalancing": lambda: job(cpu=(99.0, 3.0)),
    "StepOutlier": lambda: outliers(15),
    "MaxInitializationTime": lambda: initialising(90, 120),
    "MemoryIncrease": lambda: job(job_memory=lambda number: 10 + number / 4),
    "LowGPUUtilization": lambda: job(gpu=(20.0,), gpu_memory=(20.0,)),
    "GPUMemoryIncrease": lambda: job(gpu=(90.0,), gpu_memory=lambda number: (10 + number / 2,)),
}
QUIET: dict[str, Callable[[], Recording]] = {
    "CPUBottleneck": lambda: job(**BUSY),  # busy with the model: what one wants without a GPU
    "IOBottleneck": job,
    "Dataloader": job,
    "BatchSize": job,
    "LoadBalancing": job,
    "StepOutlier": lambda: outliers(5),
    "MaxInitializationTime": lambda: initialising(30, 40),
    "MemoryIncrease": job,
    "LowGPUUtilization": lambda: job(gpu=(90.0,), gpu_memory=(50.0,)),
    "GPUMemoryIncrease": lambda: job(gpu=(90.0,), gpu_memory=(50.0,)),
}


@pytest.mark.parametrize("rule", TRIGGERED)
def test_recording_that_breaks_the_rule_triggers_it(rule: str) -> None:
    finding = find(rule, TRIGGERED[rule]())
    assert finding.state == "triggered"
    assert finding.triggered >= 1
    assert 0 < finding.violations <= finding.datapoints
    assert any(hint in finding.recommendation for hint in HINTS.values())


@pytest.mark.parametrize("rule", TRIGGERED)
def test_recommendation_without_hints_is_a_whole_sentence(rule: str) -> None:
    made = replace(TRIGGERED[rule](), job=JobFacts("job"))
    recommendation = find(rule, made).recommendation
    assert re.fullmatch(r"[A-Z][^()]*[a-z]\.", recommendation)
    assert "--" not in recommendation
    assert "  " not in recommendation
    assert " ." not in recommendation


@pytest.mark.parametrize("rule", QUIET)
def test_recording_that_keeps_the_rule_leaves_it_quiet(rule: str) -> None:
    finding = find(rule, QUIET[rule]())
    assert (finding.state, finding.triggered) == ("quiet", 0)
    assert finding.datapoints > 0


@pytest.mark.parametrize("rule", TRIGGERED)
def test_empty_recording_is_not_a_pass(rule: str) -> None:
    finding = find(rule, recording())
    assert (finding.state, finding.triggered, finding.datapoints) == ("not evaluated", 0, 0)
    assert finding.reason


@pytest.mark.parametrize("rule", ["LowGPUUtilization", "GPUMemoryIncrease"])
def test_job_without_gpu_is_not_judged_on_gpus(rule: str) -> None:
    finding = find(rule, job())
    assert finding.state == "not evaluated"
    assert "No GPU" in finding.reason


def test_every_rule_has_both_cases() -> None:
    judged = {
        finding.rule for finding in evaluate(Timeline.of(job())) if finding.state != "statistics"
    }
    assert judged == set(TRIGGERED) == set(QUIET)
    assert len(RULES) == len(judged) + 2  # and the two that only give statistics


def test_gpu_that_waits_for_busy_cores_is_a_cpu_bottleneck() -> None:
    assert find("CPUBottleneck", job(gpu=(3.0,), **BUSY)).state == "triggered"
    assert find("CPUBottleneck", job(gpu=(95.0,), **BUSY)).state == "quiet"


def test_rule_counts_the_minutes_in_which_it_held() -> None:
    made = job(360, cpu=lambda number: (40.0, 40.0) if number < 240 else (95.0, 95.0))
    assert find("BatchSize", made).triggered == 2


def test_wrong_number_of_loading_processes_triggers_dataloader() -> None:
    for workers, state in ((1, "triggered"), (2, "quiet"), (4, "quiet"), (5, "triggered")):
        made = replace(job(), job=JobFacts("job", workers=workers))
        assert find("Dataloader", made).state == state


def test_waiting_that_is_nothing_to_the_job_leaves_dataloader_quiet() -> None:
    loop = steps(100, phases=LOADING)  # 10 s of a job of an hour
    assert find("Dataloader", recording(steps=loop, end_s=START_S + 3600)).state == "quiet"


def test_outliers_name_the_phase_that_took_the_time() -> None:
    details = find("StepOutlier", outliers(15)).details
    assert details["Causes"] == {"data": 15}


def test_first_and_traced_steps_are_no_outliers() -> None:
    loop = steps(500, slow={0: 5.0, 7: 5.0})
    loop[7] = replace(loop[7], traced=True)
    assert find("StepOutlier", recording(steps=loop)).violations == 0


def test_long_initialisation_by_sagemakers_definition_triggers_whatever_its_share() -> None:
    assert find("MaxInitializationTime", initialising(1201, 9000)).state == "triggered"


def test_rule_file_has_the_keys_of_sagemakers() -> None:
    for finding in evaluate(Timeline.of(job())):
        written = finding.to_json()
        assert list(written) == [
            "RuleTriggered",
            "Violations",
            "Details",
            "Datapoints",
            "RuleParameters",
        ]
    parameters = find("CPUBottleneck", job()).to_json()["RuleParameters"]
    assert str(parameters).startswith("threshold:50\ngpu_threshold:10\ncpu_threshold:90")


def test_findings_are_sorted_by_times_triggered() -> None:
    made = job(360, cpu=(99.0, 3.0), io_wait=lambda number: (90.0 * (number < 100), 0.0))
    fired = [f.triggered for f in evaluate(Timeline.of(made)) if f.state == "triggered"]
    assert len(fired) > 1
    assert fired == sorted(fired, reverse=True)


def test_cores_that_are_used_nearly_alike_are_balanced() -> None:
    assert find("LoadBalancing", job(cpu=(79.0, 81.0))).state == "quiet"
