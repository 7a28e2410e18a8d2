"""What the pages promise of outages and poison photos, in simulated time (benchmarks/outage)."""

import pytest
from classify import handler

from benchmarks.outage import simulation
from benchmarks.outage.simulation import Endpoint, Run, simulate, steadily, with_poison
from tests.unit.template.cloudformation import of_type, template

HOUR_S = 3600


def late_s(run: Run, outage_s: float) -> float:
    return max(run.cloud.rows_s.values()) - outage_s


def test_simulation_runs_with_the_templates_settings() -> None:
    queue = of_type(template(), "AWS::SQS::Queue")["UploadQueue"]
    function = of_type(template(), "AWS::Serverless::Function")["ClassifyFunction"]
    variables = function["Environment"]["Variables"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == simulation.MAX_RECEIVES
    assert queue["VisibilityTimeout"]["Fn::If"][2] == simulation.VISIBILITY_S
    assert function["Timeout"]["Fn::If"][2] == simulation.FUNCTION_TIMEOUT_S
    assert float(variables["FIRST_WAIT_S"]) == handler.SETTINGS.first_wait_s
    assert float(variables["LONGEST_WAIT_S"]) == handler.SETTINGS.longest_wait_s


@pytest.mark.parametrize("fault", [simulation.gone, simulation.throttled, simulation.crashing])
def test_fault_of_ten_seconds_is_answered_within_a_minute(fault: Endpoint) -> None:
    run = simulate(steadily(30, 10), simulation.until(10, fault))
    assert len(run.cloud.rows_s) == 30
    assert max(run.cloud.rows_s.values()) < 60
    assert run.cloud.told_s is None


@pytest.mark.parametrize("fault", [simulation.gone, simulation.crashing, simulation.hanging])
def test_endpoint_gone_for_twelve_hours_costs_no_photo(fault: Endpoint) -> None:
    # GIVEN photos from the first second of the outage to its last
    outage_s = 12 * HOUR_S
    run = simulate(steadily(12, outage_s), simulation.until(outage_s, fault))
    # THEN each has its row within the longest wait, and none was dead
    assert not run.dead_s
    assert len(run.cloud.rows_s) == 12
    assert late_s(run, outage_s) < 900 + 60
    # AND the alarm was told within minutes
    assert run.cloud.told_s is not None
    assert run.cloud.told_s < 5 * 60


def test_outage_of_half_an_hour_costs_few_calls() -> None:
    outage_s = 1800
    run = simulate(steadily(100, outage_s), simulation.until(outage_s, simulation.gone))
    assert run.cloud.calls < 10 * 100


@pytest.mark.parametrize(
    ("fault", "neighbour_s"), [(simulation.crashing, 60), (simulation.hanging, 5 * 60)]
)
def test_poison_photo_is_dead_within_a_day_and_takes_no_neighbour_along(
    fault: Endpoint, neighbour_s: float
) -> None:
    run = simulate(with_poison(30, 3), simulation.for_poison(fault))
    assert set(run.dead_s) == {f"uploads/poison-{n}.jpg" for n in (0, 10, 20)}
    assert 13 * HOUR_S < max(run.dead_s.values()) < 18.4 * HOUR_S
    assert len(run.cloud.rows_s) == 30
    assert max(run.cloud.rows_s.values()) < neighbour_s


@pytest.mark.parametrize("seed", range(3))
def test_photo_that_ends_the_process_takes_no_neighbour_along(seed: int) -> None:
    uploads = with_poison(30, 3)
    healthy = simulation.until(0, simulation.gone)
    run = simulate(uploads, healthy, deadly=simulation.is_poison, seed=seed)
    assert set(run.dead_s) == {key for key in uploads if simulation.is_poison(key)}
    assert len(run.cloud.rows_s) == 30
    assert 13 * HOUR_S < max(run.dead_s.values()) < 18.6 * HOUR_S


def test_company_of_many_photos_that_end_the_process_is_parted() -> None:
    # GIVEN as many photos that end the process as a batch has others
    uploads = with_poison(18, 9)
    healthy = simulation.until(0, simulation.gone)
    run = simulate(uploads, healthy, deadly=simulation.is_poison)
    # THEN every photo has its row soon after the first two tries, in company
    assert len(run.cloud.rows_s) == 18
    assert max(run.cloud.rows_s.values()) < 2 * simulation.VISIBILITY_S + 20 * 60


def test_neighbours_of_a_photo_that_ends_the_process_are_answered_at_their_fourth_receive() -> None:
    # GIVEN nine of them, that come back with it until it has failed twice
    uploads = with_poison(9, 1)
    healthy = simulation.until(0, simulation.gone)
    run = simulate(uploads, healthy, deadly=simulation.is_poison)
    assert len(run.cloud.rows_s) == 9
    assert max(run.cloud.rows_s.values()) < 3 * simulation.VISIBILITY_S + 60
