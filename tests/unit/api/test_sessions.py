"""Sign-in: the code for a token, and the refresh token in a cookie that no script can read."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import urllib3
from api import handler, signin
from api.problems import ProblemError
from api.settings import Settings

from rigs.functions import API
from tests.unit.api.world import Answered, World, send

CODE = {
    "code": "the code",
    "code_verifier": "v" * 43,
    "redirect_uri": "https://abc.execute-api.us-east-1.amazonaws.com/",
}
OURS = {"x-requested-with": "page"}


def token(**claims: Any) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"head.{part}.signature"


@dataclass
class UserPool:
    """What the token endpoint is asked, and what it answers."""

    groups: list[str] = field(default_factory=lambda: ["others", "reviewers"])
    says_no: bool = False
    asked: list[Mapping[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)

    def exchange(self, parameters: Mapping[str, str]) -> Mapping[str, Any] | None:
        self.asked.append(parameters)
        if self.says_no:
            return None
        scope = "openid predictions/read predictions/write"
        claims = {"sub": "1", "client_id": "page", "username": "ann", "scope": scope}
        answer = {
            "access_token": token(**claims, **{"cognito:groups": self.groups}),
            "expires_in": 3600,
        }
        if parameters["grant_type"] == "authorization_code":
            answer["refresh_token"] = "for the cookie"
        return answer


@pytest.fixture
def pool(world: World, monkeypatch: pytest.MonkeyPatch) -> UserPool:
    pool = UserPool()
    services = replace(world.services, exchange=pool.exchange, revoke=pool.revoked.append)
    monkeypatch.setattr(handler, "SERVICES", services)
    return pool


def ask(
    method: str, path: str, body: Any = None, cookies: list[str] | None = None, **headers: str
) -> Answered:
    text = None if body is None else json.dumps(body)
    return send(method, path, "", None, text, OURS | headers, cookies)


def test_code_becomes_a_token_for_the_page_and_a_cookie_for_nobody_else(pool: UserPool) -> None:
    answer = ask("POST", "/session", CODE)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert {name: answer.body[name] for name in ("expires_in", "user", "can_review")} == {
        "expires_in": 3600,
        "user": "ann",
        "can_review": True,
    }
    assert "for the cookie" not in json.dumps(answer.body)
    (cookie,) = answer.cookies
    first, *rest = cookie.split("; ")
    assert first == "__Secure-session=for the cookie"
    assert set(rest) == {
        "Path=/session",
        "Max-Age=43200",
        "HttpOnly",
        "Secure",
        "SameSite=Strict",
    }
    (asked,) = pool.asked
    assert asked["code_verifier"] == CODE["code_verifier"]
    assert asked["client_id"] == "page"


def test_person_who_only_looks_is_told_so(pool: UserPool) -> None:
    pool.groups = ["others"]
    assert ask("POST", "/session", CODE).body["can_review"] is False


def test_cookie_becomes_another_token(pool: UserPool) -> None:
    answer = ask("POST", "/session/refresh", {}, ["a=b", "__Secure-session=kept"])
    assert answer.status == 200
    assert pool.asked[0]["refresh_token"] == "kept"
    assert answer.cookies == []


@pytest.mark.parametrize("cookies", [None, ["other=1"], ["__Secure-session=used"]])
def test_sign_in_that_is_over_is_a_401_and_its_cookie_goes(
    pool: UserPool, cookies: list[str] | None
) -> None:
    pool.says_no = True
    answer = ask("POST", "/session/refresh", None, cookies)
    assert (answer.status, answer.body["status"]) == (401, 401)
    assert "Max-Age=0" in answer.cookies[0]


def test_code_that_was_used_is_a_401(pool: UserPool) -> None:
    pool.says_no = True
    assert ask("POST", "/session", CODE).status == 401


def test_signing_out_revokes_and_forgets(pool: UserPool) -> None:
    answer = ask("DELETE", "/session", None, ["__Secure-session=kept"])
    assert (answer.status, answer.body) == (204, "")
    assert "Max-Age=0" in answer.cookies[0]
    assert pool.revoked == ["kept"]
    assert ask("DELETE", "/session").status == 204


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/session"), ("POST", "/session/refresh"), ("DELETE", "/session")]
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-requested-with": "XMLHttpRequest"},
        {**OURS, "sec-fetch-site": "cross-site"},
        {**OURS, "sec-fetch-site": "same-site"},
    ],
)
def test_other_sites_are_refused(
    pool: UserPool, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = send(method, path, "", None, json.dumps(CODE), headers, ["__Secure-session=kept"])
    assert answer.status == 403
    assert pool.asked == pool.revoked == answer.cookies == []


@pytest.mark.parametrize("name", CODE)
def test_body_without_one_of_its_parts_is_refused_by_name(pool: UserPool, name: str) -> None:
    body = {key: value for key, value in CODE.items() if key != name}
    answer = ask("POST", "/session", body)
    assert (answer.status, [each["field"] for each in answer.body["errors"]]) == (422, [name])


def test_config_says_where_to_sign_in(pool: UserPool) -> None:
    body = ask("GET", "/config.json").body
    host = "https://dogs.auth.us-east-1.amazoncognito.com"
    assert body["sign_in"] == f"{host}/oauth2/authorize"
    assert body["sign_out"] == f"{host}/logout"
    assert body["scopes"] == ["openid", "predictions/read", "predictions/write"]


def test_local_cloud_has_everything_at_one_address(
    pool: UserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_env(API | {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    monkeypatch.setattr(handler, "SERVICES", replace(handler.SERVICES, settings=settings))
    assert settings.url_of(settings.bucket) == "http://127.0.0.1:4566/photos"
    assert ask("GET", "/config.json").body["sign_in"] == "http://127.0.0.1:4566/oauth2/authorize"
    (cookie,) = ask("POST", "/session", CODE).cookies
    assert cookie.startswith("session=for the cookie; Path=/_aws/execute-api/abc/session; ")
    assert "Secure" not in cookie
    # The local cloud leaves cookies in their header
    assert ask("POST", "/session/refresh", cookie="a=b; session=kept").status == 200
    assert pool.asked[-1]["refresh_token"] == "kept"


@pytest.mark.parametrize("name", ["PREDICTIONS_TABLE", "BUCKET", "CURSOR_SECRET", "AWS_REGION"])
def test_missing_setting_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings.from_env({key: value for key, value in API.items() if key != name})


@dataclass
class Wire:
    """urllib3's pool: (status, body), or an error to raise."""

    reply: tuple[int, bytes] | Exception
    bodies: list[str] = field(default_factory=list)

    def request(self, method: str, url: str, body: str, headers: Mapping[str, str]) -> Any:
        assert (method, headers["Content-Type"]) == ("POST", "application/x-www-form-urlencoded")
        self.bodies.append(f"{url}?{body}")
        if isinstance(self.reply, Exception):
            raise self.reply
        return urllib3.HTTPResponse(self.reply[1], status=self.reply[0])


def test_token_endpoint_is_asked_by_form(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire((200, b'{"access_token": "t"}'))
    monkeypatch.setattr(signin, "_pool", lambda: wire)
    assert signin.exchange("https://host", {"code": "a b&c"}) == {"access_token": "t"}
    assert wire.bodies == ["https://host/oauth2/token?code=a+b%26c"]


def test_no_of_the_token_endpoint_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "_pool", lambda: Wire((400, b'{"error": "invalid_grant"}')))
    assert signin.exchange("https://host", {}) is None


@pytest.mark.parametrize("reply", [(500, b""), (429, b""), urllib3.exceptions.TimeoutError()])
def test_token_endpoint_that_fails_is_a_503(
    monkeypatch: pytest.MonkeyPatch, reply: tuple[int, bytes] | Exception
) -> None:
    monkeypatch.setattr(signin, "_pool", lambda: Wire(reply))
    with pytest.raises(ProblemError) as caught:
        signin.exchange("https://host", {})
    assert caught.value.status == 503
    signin.revoke("https://host", "page", "token")  # fails for nobody
