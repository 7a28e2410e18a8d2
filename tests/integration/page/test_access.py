"""Who is let in where: every route, for everybody who may knock.

A route without a row in TABLE fails.
"""

from __future__ import annotations

import base64
import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from api.routes import ROUTES
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from rigs.page import EMAIL, READ, WRITE, Page
from tests.integration.page.conftest import ONLOOKER

# Answers of the function itself to a request that says nothing sensible: the caller was let in.
PASSED = {200, 204, 302, 304, 400, 404, 405, 422}


@dataclass(frozen=True)
class Access:
    """Whom a route lets in."""

    anybody: bool = False
    reads: bool = False
    writes: bool = False


OPEN, READING, WRITING = Access(anybody=True), Access(reads=True), Access(writes=True)
TABLE = {
    ("GET", "/"): OPEN,
    ("GET", "/static/{release}/{file}"): OPEN,
    ("GET", "/config.json"): OPEN,
    # These three answer 403 to whoever is not the page, whatever the token.
    ("POST", "/session"): OPEN,
    ("DELETE", "/session"): OPEN,
    ("POST", "/session/refresh"): OPEN,
    ("GET", "/openapi.json"): READING,
    ("GET", "/predictions"): READING,
    ("GET", "/predictions/{id}"): READING,
    ("GET", "/predictions/{id}/photo"): READING,
    ("GET", "/predictions/{id}/thumbnail"): READING,
    ("PUT", "/predictions/{id}/review"): WRITING,
    ("POST", "/reviews"): WRITING,
    ("POST", "/uploads"): WRITING,
    ("GET", "/queue"): READING,
    ("GET", "/breeds"): READING,
    ("GET", "/summary"): READING,
    ("GET", "/deployments"): READING,
    ("GET", "/drift"): READING,
    # Whatever is none of these.
    ("PATCH", "/anything/else"): READING,
}

# Who knocks, and what a route that reads and one that writes answer: 401, 403, or None where they
# are let in.
CALLERS: dict[str, tuple[int | None, int | None]] = {
    "no token": (401, 401),
    "malformed": (401, 401),
    "not signed": (401, 401),
    "signed by another": (401, 401),
    "expired": (401, 401),
    "wrong audience": (401, 401),
    "wrong issuer": (401, 401),
    "refresh token": (401, 401),
    "id token": (403, 403),
    "wrong scope": (403, 403),
    "reader": (None, 403),
    "reviewer without the scope": (None, 403),
    "reviewer": (None, None),
    "program": (None, None),
    "program that reads": (None, 403),
    "program that writes": (403, None),
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, body = (
        json.loads(base64.urlsafe_b64decode(each + "==")) for each in token.split(".")[:2]
    )
    return head, body


@dataclass
class Tokens:
    """A token for every caller; what a user pool would not give out is signed with its key."""

    page: Page

    @functools.cached_property
    def real(self) -> str:
        return self.page.sign_in(EMAIL).token

    @functools.cached_property
    def key(self) -> RSAPrivateKey:
        """The pool's own, out of the local cloud's state: the one that verifies what `real` has."""
        head, body = parts(self.real)
        data = f"{self.real.rpartition('.')[0]}".encode()
        signature = base64.urlsafe_b64decode(self.real.rpartition(".")[2] + "==")
        folder = self.page.cloud.state_dir / "ministack" / "services" / "cognito-pool-keys"
        for path in sorted(folder.rglob("*.pem")):
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            assert isinstance(key, RSAPrivateKey)
            if key.sign(data, PKCS1v15(), SHA256()) == signature:
                return key
        raise AssertionError(f"no key of {body['iss']} signed {head}")

    def signed(self, **claims: Any) -> str:
        """The real one with other claims."""
        head, body = parts(self.real)
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body | claims).encode())}"
        return f"{text}.{b64(self.key.sign(text.encode(), PKCS1v15(), SHA256()))}"

    def of(self, caller: str) -> str:
        makers: dict[str, Callable[[], str]] = {
            "malformed": lambda: "not.a.token",
            "not signed": lambda: self.real.rpartition(".")[0] + ".",
            "signed by another": lambda: self.real[:-20] + "A" * 20,
            "expired": lambda: self.signed(exp=int(time.time()) - 60),
            "wrong audience": lambda: self.signed(client_id="another"),
            "wrong issuer": lambda: self.signed(iss="https://example.com/pool"),
            "refresh token": self.refresh_token,
            "id token": self.id_token,
            "wrong scope": lambda: self.page.sign_in(EMAIL, ("openid",)).token,
            "reader": lambda: self.page.sign_in(ONLOOKER).token,
            "reviewer without the scope": lambda: self.page.sign_in(EMAIL, ("openid", READ)).token,
            "reviewer": lambda: self.real,
            "program": self.page.program_token,
            "program that reads": lambda: self.page.program_token(READ),
            "program that writes": lambda: self.page.program_token(WRITE),
        }
        return makers[caller]()

    def refresh_token(self) -> str:
        (cookie,) = self.page.sign_in(EMAIL).http.cookies.jar
        return cookie.value or ""

    def id_token(self) -> str:
        verifier = "v" * 64
        answer = httpx.post(
            f"{self.page.cloud.url}/oauth2/token",
            data={
                "grant_type": "authorization_code",
                "client_id": self.page.outputs["PageClientId"],
                "code": self.page.code(EMAIL, verifier),
                "code_verifier": verifier,
                "redirect_uri": self.page.url,
            },
            trust_env=False,
        )
        token: str = answer.raise_for_status().json()["id_token"]
        return token


@pytest.fixture(scope="module")
def headers(page: Page) -> Callable[[str], dict[str, str]]:
    tokens = Tokens(page)

    @functools.cache
    def of(caller: str) -> tuple[tuple[str, str], ...]:
        return () if caller == "no token" else (("authorization", f"Bearer {tokens.of(caller)}"),)

    return lambda caller: dict(of(caller))


def test_tokens_that_the_test_signs_itself_are_good_but_for_what_is_wrong_in_them(
    page: Page,
) -> None:
    token = Tokens(page).signed(jti="another")
    answer = page.client().get("summary", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_every_route_of_the_gateway_has_a_row_in_the_table(page: Page) -> None:
    api = page.cloud.client("apigatewayv2")
    found = {route["RouteKey"] for route in api.get_routes(ApiId=page.outputs["ApiId"])["Items"]}
    named = {f"{method} {path}" for method, path in TABLE}
    assert found == named - {"PATCH /anything/else"} | {"$default"}
    assert set(ROUTES) == set(TABLE) - {("PATCH", "/anything/else")}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_route_lets_in_whom_it_should(
    page: Page, headers: Callable[[str], dict[str, str]], route: tuple[str, str], caller: str
) -> None:
    method, path = route
    access = TABLE[route]
    concrete = path.replace("{id}", "dXBsb2Fkcy9h").replace("{file}", "none.js").lstrip("/")
    answer = page.client().request(method, concrete, headers=headers(caller), json={})
    reading, writing = CALLERS[caller]
    expected = None if access.anybody else reading if access.reads else writing
    if path.startswith("/session"):
        expected = 403  # no X-Requested-With
        assert "X-Requested-With" in answer.json()["detail"]
    if expected is None:
        assert answer.status_code in PASSED, answer.text
    else:
        assert answer.status_code == expected, answer.text
    if answer.status_code in (401, 403):
        assert answer.headers["content-type"].startswith("application/")


def test_group_is_looked_up_at_every_sign_in(page: Page) -> None:
    page.add_person("new@example.com")
    assert page.sign_in("new@example.com").session["can_review"] is False
    page.users.admin_add_user_to_group(
        UserPoolId=page.outputs["UserPoolId"], Username="new@example.com", GroupName="reviewers"
    )
    assert page.sign_in("new@example.com").session["can_review"] is True


def test_code_of_another_browser_is_worth_nothing(page: Page) -> None:
    code = page.code(EMAIL, "a" * 64)
    body = {"code": code, "code_verifier": "b" * 64, "redirect_uri": page.url}
    answer = page.client(headers={"x-requested-with": "page"}).post("session", json=body)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
