"""Cognito's resource types for a page."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloudformation import cognito
from local.cloudformation.cognito import with_local_urls

AWS = "https://abc.execute-api.us-east-1.amazonaws.com/"
HERE = "http://127.0.0.1:4566/_aws/execute-api/abc/"


def test_sign_in_may_come_back_to_this_machine_too() -> None:
    calls: list[tuple[Any, ...]] = []

    def record(*args: Any) -> tuple[str, dict[str, Any]]:
        calls.append(args)
        return "client", {}

    handler = with_local_urls({"create": record, "update": record}, "http://127.0.0.1:4566")
    properties = {"CallbackURLs": [AWS], "LogoutURLs": [AWS, "https://example.com/"]}
    handler["create"]("Page", properties, "stack")
    handler["update"]("client", {"ClientName": "a"}, properties, "stack", "Page")

    expected = {"CallbackURLs": [AWS, HERE], "LogoutURLs": [AWS, "https://example.com/", HERE]}
    assert calls == [
        ("Page", expected, "stack"),
        ("client", {"ClientName": "a"}, expected, "stack", "Page"),
    ]


def test_user_and_membership_are_made_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(cognito, "_call", lambda _url, name, **asked: calls.append((name, asked)))
    handlers = cognito.handlers("http://127.0.0.1:4566")
    user = handlers["AWS::Cognito::UserPoolUser"]
    member = handlers["AWS::Cognito::UserPoolUserToGroupAttachment"]
    person = {"UserPoolId": "pool", "Username": "ann@example.com"}

    assert user["create"]("Person", person, "stack") == ("ann@example.com", {})
    joined = person | {"GroupName": "reviewers"}
    assert member["create"]("Joins", joined, "stack") == ("reviewers/ann@example.com", {})
    # WHEN nothing changes, nobody is made anew; another address is another person
    assert user["update"]("ann@example.com", person, person, "stack") == ("ann@example.com", {})
    other = person | {"Username": "bob@example.com"}
    assert user["update"]("ann@example.com", person, other, "stack") == ("bob@example.com", {})
    user["delete"]("ann@example.com", person)
    member["delete"]("reviewers/ann@example.com", joined)

    assert [name for name, _ in calls] == [
        "admin_create_user",
        "admin_add_user_to_group",
        "admin_create_user",
        "admin_delete_user",
        "admin_remove_user_from_group",
    ]
    assert calls[-1][1] == joined
