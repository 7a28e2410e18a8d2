"""Imports the function with the template's environment, and hands out a world for it."""

import io
import logging
from collections.abc import Iterator

import pytest
from moto import mock_aws

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "PREDICTIONS_TABLE": "predictions",
    "ENDPOINT_NAME": "breeds",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/uploads",
    "POWERTOOLS_SERVICE_NAME": "classify",
    "POWERTOOLS_METRICS_NAMESPACE": "breed-classifier",
}

# Powertools and the handler read it when they are imported, which the test modules do: hence here,
# and not in a fixture. Nothing is left behind for other tests or their child processes.
with pytest.MonkeyPatch.context() as _patch:
    for _name, _value in ENVIRONMENT.items():
        _patch.setenv(_name, _value)
    for _name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "LAMBDA_TASK_ROOT"):
        _patch.delenv(_name, raising=False)
    from classify import handler, observability

from tests.unit.classify.world import World  # noqa: E402 - after the function


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Empty bucket and table, and an endpoint that knows one breed."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    # A retry's pause would only make the tests slow.
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with mock_aws():
        world = World.create()
        monkeypatch.setattr(handler, "PORTS", world.ports())
        yield world


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """What the logger writes (it keeps the stream of its birth, so capsys does not see it)."""
    stream, written = observability.logger.registered_handler, io.StringIO()
    assert isinstance(stream, logging.StreamHandler)
    before = stream.setStream(written)
    yield written
    stream.setStream(before)
