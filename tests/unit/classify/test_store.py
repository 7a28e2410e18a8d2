"""How much of an object is read, and what its announced length is good for."""

import pytest

from tests.unit.classify.world import World, message, picture, settings_with


class Body:
    """An S3 body that tells what was asked of it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.asked: list[int] = []
        self.closed = False

    def read(self, amount: int) -> bytes:
        self.asked.append(amount)
        return self._data[:amount]

    def close(self) -> None:
        self.closed = True


def deliver_body(
    world: World, monkeypatch: pytest.MonkeyPatch, announced: int, data: bytes
) -> tuple[list[str], Body]:
    sent, body = world.upload(), Body(data)
    given = {"ContentLength": announced, "Body": body}
    monkeypatch.setattr(world.s3._client, "get_object", lambda **_: given)
    limited = settings_with(max_object_bytes=len(picture()))
    monkeypatch.setattr("classify.handler.PORTS", world.ports(limited))
    return world.deliver(message(sent)), body


def test_object_of_exactly_the_limit_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, body = deliver_body(world, monkeypatch, len(picture()), picture())
    assert failed == []
    assert world.row()["status"] == "CLASSIFIED"
    assert body.closed


def test_object_one_byte_over_the_limit_is_rejected_and_no_byte_of_it_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = picture() + b"x"
    failed, body = deliver_body(world, monkeypatch, len(data), data)
    assert failed == []
    reason = world.row()["reason"]
    assert reason["code"] == "TOO_LARGE"
    assert f"{len(data)} bytes; at most {len(picture())}" in reason["message"]
    assert (body.asked, body.closed) == ([], True)


@pytest.mark.parametrize("more", [-1, 1])
def test_body_of_another_length_than_announced_is_retried_and_read_no_further(
    world: World, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    announced = len(picture()) - 1
    data = (picture() + b"x" * 10)[: announced + more]
    failed, body = deliver_body(world, monkeypatch, announced, data)
    assert failed == ["m1"]
    assert world.rows() == {}
    assert body.asked == [announced + 1]
