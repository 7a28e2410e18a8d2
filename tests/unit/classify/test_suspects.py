"""A photo that failed before is worked on alone, and takes no other along."""

import pytest

from tests.unit.classify.test_faults import model_error
from tests.unit.classify.world import (
    Json,
    World,
    answer,
    message,
    prediction,
    spy_on_reads,
    uploads,
)


@pytest.mark.parametrize(
    ("receives", "calls"), [(1, [3]), (2, [3]), (3, [1, 1, 1]), (9, [1, 1, 1])]
)
def test_what_failed_twice_is_sent_alone(world: World, receives: int, calls: list[int]) -> None:
    assert world.deliver(*uploads(world, 3, receives)) == []
    assert world.endpoint.calls == calls


def test_photo_that_breaks_the_endpoint_takes_no_neighbour_with_it(world: World) -> None:
    # GIVEN three photos received for the third time, of which the second one asked breaks it
    sent = uploads(world, 3, 3)
    fine = answer([prediction()])
    world.endpoint.faults = [fine, model_error(500)(), fine]
    # THEN each was sent alone, once, and only that one goes back
    assert len(world.deliver(*sent)) == 1
    assert len(world.rows()) == 2
    assert world.endpoint.calls == [1, 1, 1]


def test_bug_that_one_photo_wakes_takes_no_neighbour_with_it(world: World) -> None:
    world.endpoint.faults = [ZeroDivisionError("bug"), answer([prediction()])]
    assert len(world.deliver(*uploads(world, 2, 3))) == 1
    assert len(world.rows()) == 1


def order_of_reads(
    world: World, monkeypatch: pytest.MonkeyPatch, sent: list[Json], receives: dict[str, int]
) -> list[str]:
    """The keys as they are read, all failing. `receives`: message id -> receive count."""
    keys: list[str] = []
    for each in sent:
        each["attributes"]["ApproximateReceiveCount"] = str(receives[each["messageId"]])
    world.endpoint.faults = [model_error(500)() for _ in sent]
    with monkeypatch.context() as patch:
        spy_on_reads(world, patch, keys.append)
        world.deliver(*sent)
    return keys


def test_suspects_have_their_turn_in_one_order_then_in_the_reverse_then_in_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = uploads(world, 6, 3)
    orders = [
        order_of_reads(world, monkeypatch, sent, {each["messageId"]: count for each in sent})
        for count in (3, 4, 5, 6)
    ]
    assert orders[1] == orders[0][::-1]
    assert orders[3] == orders[2][::-1]
    assert orders[2] not in (orders[0], orders[1])
    assert orders[0] != sorted(orders[0])


def test_order_of_suspects_does_not_change_when_some_are_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = uploads(world, 6, 3)
    counts = {each["messageId"]: 3 for each in sent}
    whole = order_of_reads(world, monkeypatch, sent, counts)
    rest = order_of_reads(world, monkeypatch, sent[::2], counts)
    assert rest == [key for key in whole if key in rest]


@pytest.mark.parametrize("older", range(4))
def test_suspect_that_failed_less_often_than_its_company_does_not_always_come_first(
    world: World, monkeypatch: pytest.MonkeyPatch, older: int
) -> None:
    # GIVEN one that failed three times, and others that failed more often before they met it
    sent = uploads(world, 4, 3)
    first: set[str] = set()
    for round_ in range(2):
        counts = {each["messageId"]: 3 + round_ + 2 * n for n, each in enumerate(sent)}
        keys = order_of_reads(world, monkeypatch, sent, counts)
        first |= set(keys[: keys.index(f"uploads/uploads-{older}.jpg")])
    # THEN in two receives each of the others had a turn before it
    assert len(first) == 3


def test_duplicate_that_failed_before_makes_its_event_a_suspect(world: World) -> None:
    sent, other = world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg")
    batch = [
        message(sent, id_="new"),
        message(sent, id_="again", receive_count=3),
        message(other, id_="other"),
    ]
    assert world.deliver(*batch) == []
    assert world.endpoint.calls == [1, 1]


def test_new_version_of_a_key_that_failed_before_is_a_suspect(world: World) -> None:
    old = message(world.upload("uploads/a.jpg"), id_="old", receive_count=3)
    new = message(world.upload("uploads/a.jpg"), id_="new")
    other = message(world.upload("uploads/b.jpg"), id_="other")
    assert world.deliver(old, new, other) == []
    assert world.endpoint.calls == [1, 1]
