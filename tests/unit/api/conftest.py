"""Imports the function with the template's environment, and hands out a world for it."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "PREDICTIONS_TABLE": "predictions",
    "REVIEWS_TABLE": "reviews",
    "TALLIES_TABLE": "tallies",
    "BUCKET": "photos",
    "CURSOR_SECRET": "cursors",
    "SIGN_IN_HOST": "dogs.auth.us-east-1.amazoncognito.com",
    "CLIENT_ID": "page",
    "FIRST_MONTH": "2026-09",
    "POWERTOOLS_SERVICE_NAME": "api",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}

# The handler reads it when it is imported, which the test modules do: hence here, and not in a
# fixture. Nothing is left behind for other tests or their child processes.
with pytest.MonkeyPatch.context() as _patch:
    for _name, _value in ENVIRONMENT.items():
        _patch.setenv(_name, _value)
    for _name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "LAMBDA_TASK_ROOT"):
        _patch.delenv(_name, raising=False)
    from api import handler

from tests.unit.api.world import World  # noqa: E402 - after the function


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Empty tables, as both templates make them."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    # A retry's pause would only make the tests slow.
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with mock_aws():
        world = World.create()
        monkeypatch.setattr(handler, "SERVICES", world.services)
        yield world
