"""A person's sign-in: a code for tokens, and a cookie for the next token.

The access token is the page's, in memory. The refresh token is kept from every script, in a cookie
that goes to no other address than this one's `session`.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from api.people import GROUP, WRITE, caller_of
from api.problems import ProblemError

# As RefreshTokenValidity in page/template.yaml.
REFRESH_VALID_S = 12 * 3600

# The parameters of a request to the token endpoint -> its answer, or None when it says no.
Exchange = Callable[[Mapping[str, str]], Mapping[str, Any] | None]


@dataclass(frozen=True)
class SessionCookie:
    """`path`: where the browser sees `session`. Secure, but for a laptop without TLS."""

    path: str
    is_secure: bool

    @property
    def name(self) -> str:
        return "__Secure-session" if self.is_secure else "session"

    def kept(self, token: str) -> Cookie:
        return self._cookie(token, REFRESH_VALID_S)

    def forgotten(self) -> Cookie:
        return self._cookie("", 0)

    def read(self, cookies: list[str]) -> str:
        for cookie in cookies:
            name, _, value = cookie.partition("=")
            if name.strip() == self.name:
                return value.strip()
        return ""

    def _cookie(self, value: str, age_s: int) -> Cookie:
        return Cookie(
            self.name,
            value,
            path=self.path,
            secure=self.is_secure,
            http_only=True,
            max_age=age_s,
            same_site=SameSite.STRICT_MODE,
        )


@dataclass(frozen=True)
class Session:
    body: dict[str, Any]
    refresh_token: str | None


def start(
    code: str, verifier: str, redirect_uri: str, client_id: str, exchange: Exchange
) -> Session:
    """Raises ProblemError 401 when the code is none, or was used."""
    return _session(
        exchange(
            {
                "grant_type": "authorization_code",
                "client_id": client_id,
                "code": code,
                "code_verifier": verifier,
                "redirect_uri": redirect_uri,
            }
        )
    )


def refresh(token: str, client_id: str, exchange: Exchange) -> Session:
    if not token:
        raise _over()
    return _session(
        exchange({"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token})
    )


def check_same_site(headers: Mapping[str, str]) -> None:
    """A form or a picture of another site cannot send this header. Raises ProblemError."""
    if headers.get("x-requested-with") != "page":
        raise ProblemError(403, "The header X-Requested-With: page is missing.")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ProblemError(403, "Only the page itself may ask this.")


def _session(answer: Mapping[str, Any] | None) -> Session:
    if answer is None:
        raise _over()
    claims = _claims(answer["access_token"])
    caller = caller_of(claims)
    scopes = str(claims.get("scope", "")).split()
    body = {
        "access_token": answer["access_token"],
        "expires_in": int(answer["expires_in"]),
        "user": caller.name,
        "can_review": caller.is_person and GROUP in caller.groups and WRITE in scopes,
    }
    return Session(body, answer.get("refresh_token"))


def _claims(token: str) -> Mapping[str, Any]:
    """Unverified: it comes from the user pool itself, and is only shown. The gateway verifies."""
    part = token.split(".")[1]
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _over() -> ProblemError:
    return ProblemError(401, "The sign-in is over: sign in again.")
