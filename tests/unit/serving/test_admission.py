"""Who is let in, with a clock and a queue that the test moves."""

import pytest

from serving.admission import BURST_S, CALM_S, Admission, QueueFullError


class Queue:
    """What is behind the door, as far as the door knows it."""

    def __init__(self) -> None:
        self.unanswered = 0
        self.sheds: list[Exception] = []

    def shed(self, error: Exception) -> None:
        self.sheds.append(error)


class Door:
    """An admission of ten places and three lanes, at a time of the test's own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.queue = Queue()
        self.admission = Admission(10, 3, self.queue, lambda: self.now)

    def lets_in(self) -> bool:
        """Whether one more request may enter."""
        try:
            self.admission.enter()
        except QueueFullError:
            return False
        return True

    def flood(self) -> None:
        """Overflow for longer than a burst, with everything still unanswered; then all leave."""
        while self.lets_in():
            self.queue.unanswered += 1
        self.now += BURST_S * 1.01
        assert not self.lets_in()
        self.admission.give_back(10)
        self.queue.unanswered = 0


def test_refuses_above_the_limit_and_takes_again_after() -> None:
    admission = Door().admission
    admission.enter()
    admission.take(8)
    with pytest.raises(QueueFullError, match="9 images in flight, the limit is 10"):
        admission.take(2)
    admission.take(1)
    admission.give_back(10)
    admission.take(10)


def test_burst_loses_only_what_does_not_fit() -> None:
    door = Door()
    assert [door.lets_in() for _ in range(13)] == [True] * 10 + [False] * 3
    door.now += BURST_S / 2
    assert not door.lets_in()
    assert door.queue.sheds == []
    door.admission.give_back(10)
    door.queue.unanswered = 5  # more than there are lanes
    assert door.lets_in()


def test_bursts_with_calm_between_them_are_no_flood() -> None:
    door = Door()
    for _ in range(5):
        assert [door.lets_in() for _ in range(11)] == [True] * 10 + [False]
        door.admission.give_back(10)
        door.now += CALM_S * 1.01
    assert door.queue.sheds == []


def test_flood_sheds_the_queue_once_and_then_fills_all_lanes_but_one() -> None:
    door = Door()
    door.flood()
    (error,) = door.queue.sheds
    assert isinstance(error, QueueFullError)
    for unanswered, expected in ((0, True), (1, True), (2, False), (5, False), (1, True)):
        door.queue.unanswered = unanswered
        door.now += CALM_S / 10
        assert door.lets_in() is expected
    assert len(door.queue.sheds) == 1


def test_request_that_was_let_in_brings_all_its_images_also_in_a_flood() -> None:
    door = Door()
    door.flood()
    assert door.lets_in()
    door.admission.take(9)


def test_flood_ends_after_calm() -> None:
    door = Door()
    door.flood()
    door.queue.unanswered = 2
    door.now += CALM_S
    assert not door.lets_in()
    door.now += CALM_S * 1.01
    assert [door.lets_in() for _ in range(11)] == [True] * 10 + [False]
    assert len(door.queue.sheds) == 1


def test_single_lane_goes_on_answering_in_a_flood() -> None:
    door = Door()
    door.admission = Admission(10, 1, door.queue, lambda: door.now)
    door.flood()
    assert door.lets_in()
    door.queue.unanswered = 1
    assert not door.lets_in()
