"""Tokens of the local user pools are really signed: an API's authorizer refuses them otherwise."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from local.launch import Cloud

PASSWORD = "Local-cloud-1"


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _token(cognito: Any, pool: str) -> str:
    client = cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName="page",
        ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )["UserPoolClient"]["ClientId"]
    cognito.admin_create_user(UserPoolId=pool, Username="rex", MessageAction="SUPPRESS")
    cognito.admin_set_user_password(
        UserPoolId=pool, Username="rex", Password=PASSWORD, Permanent=True
    )
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "rex", "PASSWORD": PASSWORD},
    )
    token: str = answer["AuthenticationResult"]["IdToken"]
    return token


def test_token_has_the_signature_of_the_pools_key(cloud: Cloud) -> None:
    cognito = cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName=f"pool-{uuid.uuid4().hex[:8]}")["UserPool"]["Id"]

    signed, _, signature = _token(cognito, pool).rpartition(".")

    header = json.loads(_bytes(signed.partition(".")[0]))
    keys = httpx.get(f"{cloud.url}/{pool}/.well-known/jwks.json", trust_env=False).json()["keys"]
    (key,) = [key for key in keys if key["kid"] == header["kid"]]
    numbers = (int.from_bytes(_bytes(key[name])) for name in ("e", "n"))
    public = RSAPublicNumbers(*numbers).public_key()
    public.verify(_bytes(signature), signed.encode(), PKCS1v15(), SHA256())  # raises otherwise
