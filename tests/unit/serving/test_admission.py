"""Who is let in, with a clock and a queue that the test moves."""

from heapq import heappop, heappush
from random import Random

import pytest

from serving.admission import BURST_S, JUDGED_S, Admission, QueueFullError, lost_share


class Queue:
    """What is behind the door, as far as the door knows it."""

    def __init__(self) -> None:
        self.unanswered = 0
        self.sheds: list[Exception] = []

    def shed(self, error: Exception) -> None:
        self.sheds.append(error)


class Door:
    """For ten images of as many requests, and three lanes, at a time of the test's own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.queue = Queue()
        self.admission = Admission(10, 10, 3, self.queue, lambda: self.now)

    def lets_in(self) -> bool:
        """Whether one more request may enter."""
        try:
            self.admission.enter()
        except QueueFullError:
            return False
        return True

    def all_leave(self) -> None:
        """Every request here has one image, and is answered."""
        while self.admission.requests:
            self.admission.leave(1)

    def flood(self) -> None:
        """Overflow for longer than a burst, with everything still unanswered; then all leave."""
        while self.lets_in():
            self.queue.unanswered += 1
        self.now += BURST_S * 1.01
        assert not self.lets_in()
        self.all_leave()
        self.queue.unanswered = 0


def test_refuses_above_the_limit_and_takes_again_after() -> None:
    admission = Door().admission
    admission.enter()
    admission.take(8)
    with pytest.raises(QueueFullError, match="9 images in flight, the limit is 10"):
        admission.take(2)
    admission.take(1)
    admission.leave(10)
    admission.enter()
    admission.take(9)


def test_refuses_a_request_above_its_limit_however_few_their_images() -> None:
    door = Door()
    door.admission = Admission(10, 3, 2, door.queue, lambda: door.now)
    assert [door.lets_in() for _ in range(3)] == [True] * 3
    with pytest.raises(QueueFullError, match="3 requests in flight, which is the limit"):
        door.admission.enter()
    door.admission.take(7)
    door.admission.leave(8)
    assert [door.lets_in() for _ in range(2)] == [True, False]
    assert door.queue.sheds == []


def test_burst_loses_only_what_does_not_fit() -> None:
    door = Door()
    assert [door.lets_in() for _ in range(13)] == [True] * 10 + [False] * 3
    door.now += BURST_S / 2
    assert not door.lets_in()
    assert door.queue.sheds == []
    door.all_leave()
    door.queue.unanswered = 5  # more than there are lanes
    assert door.lets_in()


def test_bursts_that_are_worked_off_between_them_are_no_flood() -> None:
    door = Door()
    for _ in range(5):
        assert [door.lets_in() for _ in range(11)] == [True] * 10 + [False]
        door.all_leave()
        door.now += BURST_S * 1.01
    assert door.queue.sheds == []


def test_flood_sheds_the_queue_once_and_then_fills_all_lanes_but_one() -> None:
    door = Door()
    door.flood()
    (error,) = door.queue.sheds
    assert isinstance(error, QueueFullError)
    for unanswered, expected in ((0, True), (1, True), (2, False), (5, False), (1, True)):
        door.queue.unanswered = unanswered
        door.now += JUDGED_S / 10
        assert door.lets_in() is expected
    assert len(door.queue.sheds) == 1


def test_request_that_was_let_in_brings_all_its_images_also_in_a_flood() -> None:
    door = Door()
    door.flood()
    assert door.lets_in()
    door.admission.take(9)


def test_request_whose_body_came_too_late_is_refused_in_a_flood() -> None:
    door = Door()
    door.flood()
    assert [door.lets_in() for _ in range(5)] == [True] * 5  # their bodies are on the way
    door.queue.unanswered = 2
    with pytest.raises(QueueFullError, match="flooded"):
        door.admission.take(0)


def test_flood_is_over_when_requests_stop_coming() -> None:
    door = Door()
    door.flood()
    door.queue.unanswered = 2
    assert not door.lets_in()
    door.now += JUDGED_S * 60
    assert [door.lets_in() for _ in range(11)] == [True] * 10 + [False]
    assert len(door.queue.sheds) == 1


def refused_shares(lanes: int, load: float, seconds: int) -> list[float]:
    """What share is refused in each second after a flood, of requests at random moments.

    Each takes 10 ms of one lane; `load` is how much comes, as a share of what the lanes can answer.
    """
    door = Door()
    door.admission = Admission(128, 64, lanes, door.queue, lambda: door.now)
    while door.lets_in():
        door.queue.unanswered += 1
    door.now += BURST_S * 1.01
    assert not door.lets_in()
    door.all_leave()
    door.queue.unanswered, start = 0, door.now
    random, ends = Random(0), [start] * lanes  # when each lane is free
    leaving: list[float] = []
    came, refused = [0] * seconds, [0] * seconds
    while (second := int(door.now - start)) < seconds:
        while leaving and leaving[0] <= door.now:
            heappop(leaving)
            door.admission.leave(1)
            door.queue.unanswered -= 1
        came[second] += 1
        if door.lets_in():
            door.queue.unanswered += 1
            end = max(heappop(ends), door.now) + 0.01
            heappush(leaving, end)
            heappush(ends, end)
        else:
            refused[second] += 1
        door.now += random.expovariate(load * lanes / 0.01)
    return [no / all_ for no, all_ in zip(refused, came, strict=True)]


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize("load", [0.2, 0.8])
def test_flood_ends_although_requests_go_on_at_an_ordinary_rate(lanes: int, load: float) -> None:
    assert refused_shares(lanes, load, seconds=5)[3:] == [0, 0]


@pytest.mark.parametrize("lanes", [1, 2, 8])
def test_flood_of_ten_times_as_much_stays_one(lanes: int) -> None:
    assert min(refused_shares(lanes, 10, seconds=5)[1:]) > 0.8


@pytest.mark.parametrize(
    ("load", "places", "share"), [(1, 1, 1 / 2), (2, 1, 2 / 3), (2, 2, 2 / 5), (10, 10, 0.2146)]
)
def test_lost_share_is_erlangs(load: float, places: int, share: float) -> None:
    assert lost_share(load, places) == pytest.approx(share, abs=1e-4)


def test_single_lane_goes_on_answering_in_a_flood() -> None:
    door = Door()
    door.admission = Admission(10, 10, 1, door.queue, lambda: door.now)
    door.flood()
    assert door.lets_in()
    door.queue.unanswered = 1
    assert not door.lets_in()
