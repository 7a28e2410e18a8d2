"""Imports the function with the template's environment, and hands out a world for it."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from rigs.functions import API
from tests.lambda_environment import set_environment

# The handler reads it when it is imported, which the test modules do: hence here, and not in a
# fixture. Nothing is left behind for other tests or their child processes.
with pytest.MonkeyPatch.context() as _patch:
    set_environment(_patch, API)
    from api import handler

from tests.unit.api.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Empty tables, as both templates make them."""
    set_environment(monkeypatch, API)
    # A retry's pause would only make the tests slow.
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with mock_aws():
        world = World.create()
        monkeypatch.setattr(handler, "SERVICES", world.services)
        yield world
