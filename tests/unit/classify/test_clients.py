"""Each AWS client's patience, and that the function's time is enough for the sum of it."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.session import Session
from classify import clients, core, handler, writes
from classify.deadline import Deadline

from tests.unit.classify.world import Context, FakeEndpoint, FakeQueue, Json


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Service -> the configuration that its client was made with."""
    configs: dict[str, Any] = {}

    class Client:
        def delete_message_batch(self, **_: object) -> Json:
            return {}

    def create_client(_session: Session, service: str, config: Any) -> Client:
        configs[service] = config
        return Client()

    monkeypatch.setattr(Session, "create_client", create_client)
    return configs


def test_every_client_has_its_time_outs_and_attempts(made: dict[str, Any]) -> None:
    clients.connect(handler.SETTINGS).acknowledge("https://q", ["receipt"])
    found = {
        service: (
            config.connect_timeout,
            config.read_timeout,
            config.retries["total_max_attempts"],
            config.retries["mode"],
        )
        for service, config in made.items()
    }
    assert found == {
        "s3": (2, 10, 3, "standard"),
        "dynamodb": (1, 2, 3, "standard"),
        # Repeated by classify.endpoint, which looks at the clock.
        "sagemaker-runtime": (2, 20, 1, "standard"),
        "sqs": (1, 2, 1, "standard"),
    }
    assert all(config.tcp_keepalive for config in made.values())


def test_endpoints_read_time_out_is_the_setting(made: dict[str, Any]) -> None:
    ports = clients.connect(replace(handler.SETTINGS, endpoint_timeout_s=7.0))
    assert made["sagemaker-runtime"].read_timeout == 7
    assert ports.endpoint_worst_case_s == 2 + 7 + 6


def test_endpoint_is_the_settings_and_the_queue_that_of_the_batch() -> None:
    endpoint, queue = FakeEndpoint(), FakeQueue(url="https://q")
    ports = clients.wire(handler.SETTINGS, None, None, endpoint, lambda: queue)
    ports.predict([b"jpeg"], 1, Deadline(Context().get_remaining_time_in_millis), lambda _ms: None)
    ports.acknowledge("https://q", ["one"])
    ports.give_back("https://q", {"two": 5})
    assert (endpoint.calls, queue.deleted, queue.waits) == ([1], ["one"], {"two": 5})


def test_queues_client_is_made_at_its_first_use_and_once(made: dict[str, Any]) -> None:
    ports = clients.connect(handler.SETTINGS)
    assert "sqs" not in made
    ports.acknowledge("https://q", ["a"])
    first = made.pop("sqs")
    assert first is not None
    ports.acknowledge("https://q", ["b"])
    assert "sqs" not in made


def test_what_is_reserved_for_the_queue_is_enough_for_its_call(made: dict[str, Any]) -> None:
    clients.connect(handler.SETTINGS).acknowledge("https://q", ["a"])
    config = made["sqs"]
    worst_s = config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)
    assert worst_s < handler.GIVE_BACK_RESERVE_S


def test_two_attempts_and_their_rows_fit_into_the_functions_time() -> None:
    attempt_s = handler.PORTS.endpoint_worst_case_s
    assert core.ATTEMPTS_TOGETHER * attempt_s < 60
    # One attempt's time-outs, and what is kept for the rows after it.
    assert attempt_s == 2 + 20 + writes.WRITE_RESERVE_S
