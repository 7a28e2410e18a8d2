"""The page's stack on a local cloud, as people and programs meet it.

The stack is `make page-stack`'s. People sign in by authorization code with PKCE, the form included;
programs by client credentials.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from local.launch import ROOT, Cloud

EMAIL = "ann@example.com"
READ, WRITE = "predictions/read", "predictions/write"
SCOPES = ("openid", READ, WRITE)


NO_ENDPOINT = ("PARAMETERS=EndpointName=elsewhere",)


def deploy(
    cloud: Cloud, stack: str, build: bool = True, answered_by: Sequence[str] = NO_ENDPOINT
) -> Page:
    """The first stack, made with these arguments of `make stack`, and its page."""
    for command in (
        *([["make", "build"]] if build else []),
        ["make", "stack", f"STACK={stack}", *answered_by],
        [
            *("make", "page-stack", f"STACK={stack}", f"EMAIL={EMAIL}"),
            "PARAMETERS=ProgramAccess=yes",
        ],
    ):
        subprocess.run(command, cwd=ROOT, env=cloud.environment(), check=True, capture_output=True)
    return Page(cloud, stack)


@dataclass
class Person:
    """Somebody who is signed in; the cookie is in `http`."""

    token: str
    session: dict[str, Any]
    http: httpx.Client

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


@dataclass
class Page:
    cloud: Cloud
    stack: str
    passwords: dict[str, str] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Of both stacks."""
        return self.cloud.outputs(self.stack) | self.cloud.outputs(f"{self.stack}-page")

    @property
    def url(self) -> str:
        """Ends in a slash."""
        return f"{self.cloud.url}/_aws/execute-api/{self.outputs['ApiId']}/"

    @cached_property
    def users(self) -> Any:
        return self.cloud.client("cognito-idp")

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False, timeout=60, **options)

    def program_token(self, *scopes: str) -> str:
        """Of the client of programs; without scopes all that it may have."""
        pool, client = self.outputs["UserPoolId"], self.outputs["ProgramClientId"]
        described = self.users.describe_user_pool_client(UserPoolId=pool, ClientId=client)
        secret = described["UserPoolClient"]["ClientSecret"]
        answer = httpx.post(
            f"{self.cloud.url}/oauth2/token",
            auth=(client, secret),
            data={"grant_type": "client_credentials", "scope": " ".join(scopes or (READ, WRITE))},
            trust_env=False,
        )
        token: str = answer.raise_for_status().json()["access_token"]
        return token

    def add_person(self, name: str, *groups: str) -> None:
        pool = self.outputs["UserPoolId"]
        attributes = [{"Name": "email", "Value": name}]
        self.users.admin_create_user(UserPoolId=pool, Username=name, UserAttributes=attributes)
        for group in groups:
            self.users.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName=group)
        self.set_password(name)

    def set_password(self, name: str) -> str:
        password = f"Aa1!{secrets.token_hex(8)}"
        self.users.admin_set_user_password(
            UserPoolId=self.outputs["UserPoolId"], Username=name, Password=password, Permanent=True
        )
        self.passwords[name] = password
        return password

    def code(self, name: str, verifier: str, scopes: tuple[str, ...] = SCOPES) -> str:
        """The authorization code of a sign-in at the user pool's own form."""
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.outputs["PageClientId"],
            "redirect_uri": self.url,
            "scope": " ".join(scopes),
            "state": "state",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        with httpx.Client(base_url=self.cloud.url, trust_env=False) as http:
            form = http.get("/oauth2/authorize", params=asked).raise_for_status().text
            fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
            fields |= {"username": name, "password": self.passwords[name]}
            went = http.post("/login", data=fields)
        return parse_qs(urlsplit(went.headers["location"]).query)["code"][0]

    def sign_in(self, name: str, scopes: tuple[str, ...] = SCOPES) -> Person:
        verifier = secrets.token_urlsafe(48)
        body = {
            "code": self.code(name, verifier, scopes),
            "code_verifier": verifier,
            "redirect_uri": self.url,
        }
        http = self.client(headers={"x-requested-with": "page"})
        session = http.post("session", json=body).raise_for_status().json()
        return Person(session["access_token"], session, http)
