"""An endpoint that is away as a whole is told from a photo that it cannot take."""

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from tests.unit.classify.test_faults import URL, aws, model_error
from tests.unit.classify.world import World, uploads

AWAY = {
    "throttled": aws("ThrottlingException", 429),
    "not ready": aws("ModelNotReadyException", 429),
    "missing": aws("ValidationError", 400),
    "forbidden": aws("AccessDeniedException", 403),
    "overloaded": aws("ServiceUnavailable", 503),
    "container full": model_error(429),
    "container starting": model_error(404),
    "unreachable": lambda: EndpointConnectionError(endpoint_url=URL),
    "connect timeout": lambda: ConnectTimeoutError(endpoint_url=URL),
    "proxy": lambda: ProxyConnectionError(proxy_url=URL),
    "tls": lambda: SSLError(endpoint_url=URL, error="no"),
    "no credentials": NoCredentialsError,
}
MAY_BE_A_PHOTO = {
    "read timeout": lambda: ReadTimeoutError(endpoint_url=URL),
    "connection closed": lambda: ConnectionClosedError(endpoint_url=URL),
    "container 500": model_error(500),
    "container 503": model_error(503),
    "container too slow": model_error(408),
    "container without status": aws("ModelError", 424),
    "internal": aws("InternalFailure", 500),
    "dependency": aws("InternalDependencyException", 530),
}


@pytest.mark.parametrize("name", AWAY)
def test_endpoint_away_as_a_whole_is_asked_no_more_in_this_invocation(
    world: World, name: str
) -> None:
    sent = [*uploads(world, 2, 1, "fresh"), *uploads(world, 3, 3, "suspect")]
    world.endpoint.faults = [AWAY[name]() for _ in range(10)]
    world.s3.calls.clear()
    assert len(world.deliver(*sent)) == 5
    # The fresh ones twice, nobody else: not even read.
    assert world.endpoint.calls == [2, 2]
    assert world.s3.calls.count("get_object") == 2
    assert len(world.s3.calls) == 2 + len(world.thumbnails())
    # AND all five wait for their next try
    assert len(world.queue.waits) == 5


@pytest.mark.parametrize("name", MAY_BE_A_PHOTO)
def test_fault_that_may_be_a_photos_own_keeps_no_other_from_its_try(
    world: World, name: str
) -> None:
    sent = [*uploads(world, 2, 1, "fresh"), *uploads(world, 3, 3, "suspect")]
    world.endpoint.faults = [MAY_BE_A_PHOTO[name]() for _ in range(3)]
    failed = world.deliver(*sent)
    assert world.endpoint.calls == [2, 2, 1, 1, 1]
    assert len(failed) == 3
    assert len(world.rows()) == 2


def test_second_request_of_a_split_batch_is_spared_an_endpoint_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classify.wire.MAX_BODY_BYTES", 1500)
    world.endpoint.faults = [AWAY["missing"]() for _ in range(10)]
    assert len(world.deliver(*uploads(world, 2, 1))) == 2
    assert world.endpoint.calls == [1, 1]


def test_endpoint_that_was_away_is_asked_again_in_the_next_invocation(world: World) -> None:
    sent = uploads(world, 2, 3)
    world.endpoint.faults = [AWAY["missing"]()]
    assert len(world.deliver(*sent)) == 2
    assert world.deliver(*sent) == []


def test_answered_suspects_are_acknowledged_although_the_endpoint_is_away(world: World) -> None:
    known = uploads(world, 2, 3, "known")
    world.deliver(*known)
    world.endpoint.faults = [AWAY["missing"]() for _ in range(10)]
    assert world.deliver(*known, *uploads(world, 1, 3, "new")) == ["new-0"]


def test_pause_before_the_second_attempt_is_short_and_never_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    for _ in range(5):
        world.endpoint.faults = [aws("ThrottlingException", 429)()]
        world.deliver(*uploads(world, 1, 1))
    assert all(0.15 <= pause <= 0.3 for pause in pauses)
    assert len(set(pauses)) == 5
