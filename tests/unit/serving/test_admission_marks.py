"""When an overflow becomes a flood and when that is over, to the moment and the request."""

import pytest

from serving.admission import BURST_S, JUDGED_S, Admission, QueueFullError
from tests.unit.serving.test_admission import Door

# Of three lanes one is kept free: Erlang's loss with a load of 3 and 2 places, 9/17.
ORDINARY = 9 / 17


def filled(door: Door) -> None:
    """Ten requests of one image each, and the first one too many."""
    assert [door.lets_in() for _ in range(11)] == [True] * 10 + [False]


def flooded() -> Door:
    """In a flood since this very second, so that times are exact, with nothing in flight."""
    door = Door()
    filled(door)
    door.now += 1
    assert not door.lets_in()
    door.all_leave()
    return door


def count(door: Door, came: int, refused: int) -> None:
    """So many more requests at this moment, of which so many are refused."""
    for number in range(came):
        door.queue.unanswered = 2 if number < refused else 0
        assert door.lets_in() is (number >= refused)
        door.all_leave()
    door.queue.unanswered = 0


def test_overflow_counts_as_a_flood_from_a_twentieth_of_a_second_on() -> None:
    assert BURST_S == 0.05
    for waited_s, sheds in ((0.049, 0), (0.0500001, 1)):
        door = Door()
        filled(door)
        door.now += waited_s
        assert not door.lets_in()
        assert len(door.queue.sheds) == sheds


def test_overflow_of_exactly_that_time_is_a_flood() -> None:
    door = Door()
    door.now = 0.0
    filled(door)
    door.now = BURST_S
    assert not door.lets_in()
    assert len(door.queue.sheds) == 1


def test_server_that_stays_full_is_flooded_although_requests_leave_all_the_time() -> None:
    door = Door()
    for _ in range(5):
        while door.lets_in():
            pass
        door.admission.leave(1)
        door.now += BURST_S * 1.01 / 5

    assert door.queue.sheds == []
    filled_again = [door.lets_in(), door.lets_in()]
    assert filled_again == [True, False]
    assert len(door.queue.sheds) == 1


@pytest.mark.parametrize(
    ("most_images", "most_requests", "images_left", "requests_left", "forgotten"),
    [
        (10, 10, 4, 4, True),
        (10, 10, 5, 4, False),
        (20, 10, 5, 5, False),
        (20, 10, 9, 4, True),
        (20, 10, 10, 4, False),
    ],
)
def test_overflow_is_forgotten_once_less_than_half_of_both_is_in_flight(
    most_images: int, most_requests: int, images_left: int, requests_left: int, forgotten: bool
) -> None:
    # GIVEN a server that is full of requests, some of which have more than one image
    door = Door()
    door.admission = Admission(most_images, most_requests, 3, door.queue, lambda: door.now)
    while door.lets_in():
        pass
    requests = door.admission.requests
    door.admission.take(most_images - requests)
    # WHEN all but some have left, and it is full again after a burst's time
    door.admission.leave(most_images - images_left - (requests - requests_left - 1))
    for _ in range(requests - requests_left - 1):
        door.admission.leave(1)
    assert (door.admission.images, door.admission.requests) == (images_left, requests_left)
    door.now += BURST_S * 1.01
    with pytest.raises(QueueFullError):
        door.admission.take(most_images)
    # THEN that is the same overflow, or the beginning of another
    assert len(door.queue.sheds) == (0 if forgotten else 1)


def test_flood_is_judged_after_a_second_and_not_before() -> None:
    assert JUDGED_S == 1.0
    door = flooded()
    count(door, came=10, refused=0)
    door.queue.unanswered = 2
    start = door.now
    door.now = start + 0.999
    assert not door.lets_in()
    door.now = start + JUDGED_S
    assert door.lets_in()


@pytest.mark.parametrize(("came", "refused", "over"), [(17, 9, True), (17, 10, False)])
def test_flood_is_over_when_no_more_are_refused_than_without_a_queue(
    came: int, refused: int, over: bool
) -> None:
    assert refused / came <= ORDINARY or not over
    door = flooded()
    count(door, came, refused)
    door.now += 1.001
    door.queue.unanswered = 2
    assert door.lets_in() is over


def test_each_second_of_a_flood_is_judged_by_its_own_requests() -> None:
    door = flooded()
    count(door, came=100, refused=100)
    door.now += 1.001
    count(door, came=1, refused=1)  # judges the second before, and is counted in the next
    count(door, came=9, refused=0)
    door.now += 1.001
    door.queue.unanswered = 2
    assert door.lets_in()


def test_next_judgement_is_a_second_after_the_last() -> None:
    door = flooded()
    count(door, came=100, refused=100)
    door.now += 1.001
    count(door, came=1, refused=1)  # judged: still a flood
    count(door, came=200, refused=0)
    door.now += 0.8
    door.queue.unanswered = 2
    assert not door.lets_in()


@pytest.mark.parametrize(("silence_s", "over"), [(1.999, False), (2.0, True)])
def test_refusals_of_two_seconds_ago_are_no_flood_any_more(silence_s: float, over: bool) -> None:
    door = flooded()
    count(door, came=10, refused=10)
    door.now += silence_s
    door.queue.unanswered = 2
    assert door.lets_in() is over


def test_overflow_after_a_flood_is_a_new_one() -> None:
    door = flooded()
    door.now += 60
    filled(door)
    assert len(door.queue.sheds) == 1
    door.now += BURST_S * 1.01
    assert not door.lets_in()
    assert len(door.queue.sheds) == 2


def test_refused_request_takes_no_place() -> None:
    door = Door()
    filled(door)
    assert (door.admission.images, door.admission.requests) == (10, 10)
    door.admission.leave(1)
    with pytest.raises(QueueFullError, match="9 images in flight, the limit is 10"):
        door.admission.take(2)
    assert (door.admission.images, door.admission.requests) == (9, 9)
    door.admission.leave(3)
    assert (door.admission.images, door.admission.requests) == (6, 8)
