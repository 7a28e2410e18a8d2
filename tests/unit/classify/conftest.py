"""Imports the function with the template's environment, and hands out a world for it."""

import io
import logging
from collections.abc import Iterator

import pytest
from moto import mock_aws

from rigs.functions import CLASSIFY
from tests.lambda_environment import set_environment

# Powertools and the handler read it when they are imported, which the test modules do: hence here,
# and not in a fixture. Nothing is left behind for other tests or their child processes.
with pytest.MonkeyPatch.context() as _patch:
    set_environment(_patch, CLASSIFY)
    from classify import handler, observability

from tests.unit.classify.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Empty bucket and table, and an endpoint that knows one breed."""
    set_environment(monkeypatch, CLASSIFY)
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
