"""Every second of a job belongs to one category."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.training.profiler.recordings import START_S, recording, samples, steps
from training.profiler.analysis import Timeline, analyse
from training.profiler.facts import JobFacts, Lever
from training.profiler.recording import Recording, Span


def at(name: str, start: float, end: float) -> Span:
    """A phase, in seconds since the job's start."""
    return Span(name, START_S + start, START_S + end)


def loop() -> Recording:
    """Start-up 2 s, initialisation 3 s with features of 2 s in it, 100 steps, an evaluation."""
    train = steps(100, start_s=START_S + 5)
    end = train[-1].end_s - START_S
    return recording(
        spans=[
            at("initialisation", 2, 5),
            at("features", 2.5, 4.5),
            at("data", 2.6, 3.1),
            at("eval", end, end + 1),
            at("checkpoint", end + 1, end + 1.5),
        ],
        steps=[*train, *steps(10, start_s=START_S + end + 0.2, mode="eval")],
        end_s=START_S + end + 2,
    )


def test_phases_get_their_own_time_and_the_rest_is_other() -> None:
    timeline = Timeline.of(loop())
    shares = {share.category: share for share in timeline.shares}
    assert shares["start-up"].seconds == pytest.approx(2)
    assert shares["initialisation"].seconds == pytest.approx(1)
    assert shares["features"].seconds == pytest.approx(2)
    assert shares["features"].parts == pytest.approx({"features": 1.5, "data": 0.5})
    assert shares["eval"].seconds == pytest.approx(1)
    assert shares["eval"].parts["forward"] == pytest.approx(10 * 0.004)
    assert shares["forward"].seconds == pytest.approx(100 * 0.004)
    assert shares["checkpoint"].seconds == pytest.approx(0.5)
    assert shares["other"].seconds == pytest.approx(0.5)


def test_loop_begins_with_the_first_training_step_and_ends_with_the_last_step() -> None:
    made = loop()
    timeline = Timeline.of(made)
    assert timeline.loop_start_s == pytest.approx(START_S + 5)
    assert timeline.loop_end_s == made.steps[-1].end_s


@given(st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_slices_hold_all_the_time_whatever_their_number(count: int) -> None:
    made = loop()
    timeline = Timeline.of(made)
    edges = [made.start_s + made.seconds * number / count for number in range(count + 1)]
    slices = timeline.slices(edges)
    for share in timeline.shares:
        if share.category != "other":
            held = sum(part.get(share.category, 0.0) for part in slices)
            assert held == pytest.approx(share.seconds, abs=1e-5)
    for part in slices:
        assert sum(part.values()) <= made.seconds / count + 1e-5


def test_shares_sum_to_the_job() -> None:
    made = loop()
    assert sum(share.seconds for share in Timeline.of(made).shares) == pytest.approx(made.seconds)


def test_largest_cost_is_recommended_first() -> None:
    features = at("features", 0, 60)
    made = recording(
        spans=[features],
        steps=steps(1000, start_s=features.end_s),
        job=JobFacts("job", views=2),
    )
    advice = analyse(made).advice
    assert advice[0].lever == "reused features"
    assert advice[1].lever == "views"
    assert advice[1].seconds == pytest.approx(30)


@pytest.mark.parametrize(
    ("hints", "lever"),
    [
        ({}, "network"),
        ({"batch size": "--batch"}, "network"),
        ({"network": None}, "batch size"),
        ({"network": None, "batch size": None}, None),
    ],
    ids=["nothing known", "another hint", "no such lever", "neither lever"],
)
def test_levers_that_the_job_does_not_have_are_not_recommended(
    hints: dict[Lever, str | None], lever: str | None
) -> None:
    made = recording(steps=steps(100), job=JobFacts("job", hints=hints))
    assert [advice.lever for advice in analyse(made).advice] == ([lever] if lever else [])


def test_hook_that_takes_the_time_is_recommended_to_be_turned_off() -> None:
    slow = {"data": 0.001, "forward": 0.01, "hook": 0.05}
    assert analyse(recording(steps=steps(100, phases=slow))).advice[0].lever == "debugger hook"


def test_machine_shared_with_others_is_told() -> None:
    made = recording(samples=samples(60, cpu=(99.0, 99.0), job_cpu=20.0), steps=steps(3000))
    assert "Other programs used 79 %" in analyse(made).advice[0].title
