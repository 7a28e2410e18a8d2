"""What is settled before a suspect is touched does not come back, whatever the suspect does."""

import io

import pytest

from tests.unit.classify.world import Context, World, metrics_in, spy_on_reads, throttled, uploads


def test_fresh_photos_have_their_rows_and_are_acknowledged_before_a_suspect_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a suspect that comes first in the batch and in sequencer order
    sent = [*uploads(world, 1, 3, "suspect"), *uploads(world, 4, 2, "fresh")]
    seen: dict[str, tuple[set[str], list[str]]] = {}
    spy_on_reads(
        world,
        monkeypatch,
        lambda key: seen.update({key: (set(world.rows()), list(world.queue.deleted))}),
    )
    assert world.deliver(*sent) == []
    rows, deleted = seen["uploads/suspect-0.jpg"]
    assert rows == {f"uploads/fresh-{index}.jpg" for index in range(4)}
    assert deleted == [f"receipt of fresh-{index}" for index in range(4)]


def test_each_suspect_has_its_row_and_is_acknowledged_before_the_next_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    spy_on_reads(
        world, monkeypatch, lambda _key: seen.append((len(world.rows()), len(world.queue.deleted)))
    )
    assert world.deliver(*uploads(world, 4, 3)) == []
    assert seen == [(0, 0), (1, 1), (2, 2), (3, 3)]


def waits_at_first_risk(
    world: World, monkeypatch: pytest.MonkeyPatch, left_ms: int, receives: int
) -> dict[str, int]:
    """What the queue was told of nine suspects and a fresh photo when a suspect is touched."""
    sent = [*uploads(world, 1, 1, "fresh"), *uploads(world, 9, receives, "suspect")]
    waits: list[dict[str, int]] = []

    def look(key: str) -> None:
        if "suspect" in key:
            waits.append(dict(world.queue.waits))

    spy_on_reads(world, monkeypatch, look)
    assert world.deliver(*sent, context=Context(lambda: left_ms)) == []
    assert world.queue.calls.count("change") == 1
    return waits[0]


def test_suspects_have_waits_of_their_own_before_the_first_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waits_at_first_risk(world, monkeypatch, left_ms=50_000, receives=9)
    # Should one end the process, the company is parted. What is done with does not wait.
    assert waits.keys() == {f"receipt of suspect-{index}" for index in range(9)}
    assert len(set(waits.values())) > 1
    assert all(675 <= wait <= 900 for wait in waits.values())


def test_no_suspect_comes_back_while_the_function_may_be_at_work_on_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waits_at_first_risk(world, monkeypatch, left_ms=49_100, receives=3)
    assert all(50 + 15 <= wait <= 50 + 20 for wait in waits.values())


def test_queue_that_takes_no_early_waits_changes_nothing(world: World, logs: io.StringIO) -> None:
    world.queue.faults = [throttled("ChangeMessageVisibilityBatch")]
    assert world.deliver(*uploads(world, 2, 3)) == []
    assert len(world.rows()) == 2
    assert "Waits not set" in logs.getvalue()


def test_message_acknowledged_early_is_counted_once_and_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = [*uploads(world, 2, 1, "fresh"), *uploads(world, 1, 3, "suspect")]
    before: list[str] = []

    def look(key: str) -> None:
        if "suspect" in key:
            before.append(capsys.readouterr().out)

    spy_on_reads(world, monkeypatch, look)
    assert world.deliver(*sent) == []
    # Should the suspect end the process, these are not lost.
    assert metrics_in(before[0]) == {"UploadsAnswered": 2, "Classified": 2}
    after = metrics_in(capsys.readouterr().out)
    assert (after["UploadsAnswered"], after["Classified"], after["EndpointCalls"]) == (1, 1, 2)


def test_failed_fresh_photo_is_not_acknowledged_early(world: World) -> None:
    fresh, suspect = uploads(world, 2, 1, "fresh"), uploads(world, 1, 3, "suspect")
    world.s3.faults["get_object"] = [throttled("GetObject")]
    failed = world.deliver(*fresh, *suspect)
    assert len(failed) == 1
    assert f"receipt of {failed[0]}" not in world.queue.deleted
    assert 4 <= world.queue.waits[f"receipt of {failed[0]}"] <= 5


def test_queue_that_takes_no_early_acknowledgement_changes_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.queue.faults = [throttled("DeleteMessageBatch")] * 10
    assert world.deliver(*uploads(world, 3, 1, "fresh"), *uploads(world, 2, 3, "suspect")) == []
    assert len(world.rows()) == 5
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["UploadsAnswered"], counted["Classified"]) == (5, 5)


def test_batch_of_fresh_photos_alone_is_not_acknowledged_early(world: World) -> None:
    world.deliver(*uploads(world, 3, 2))
    assert world.queue.calls == []
