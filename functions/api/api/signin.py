"""The user pool's OAuth endpoints."""

import json
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

import urllib3

from api.problems import ProblemError, unavailable

TIMEOUT = urllib3.Timeout(connect=2, read=5)

logger = logging.getLogger(__name__)


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(timeout=TIMEOUT, retries=False)


def exchange(base_url: str, parameters: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The token endpoint's answer, None when it says no. Raises ProblemError 503."""
    status, body = _post(f"{base_url}/oauth2/token", parameters)
    if status == 200:
        answer: Mapping[str, Any] = json.loads(body)
        return answer
    if 400 <= status < 500 and status != 429:
        return None
    raise unavailable(f"The sign-in service answers {status}.")


def revoke(base_url: str, client_id: str, token: str) -> None:
    """The browser has forgotten the token by now, whatever becomes of this."""
    try:
        status, _ = _post(f"{base_url}/oauth2/revoke", {"token": token, "client_id": client_id})
    except ProblemError:
        status = 0
    if status != 200:
        logger.warning("Refresh token not revoked: %s", status)


def _post(url: str, parameters: Mapping[str, str]) -> tuple[int, bytes]:
    try:
        answer = _pool().request(
            "POST",
            url,
            body=urlencode(parameters),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
    except urllib3.exceptions.HTTPError as error:
        raise unavailable("The sign-in service does not answer.") from error
    return answer.status, answer.data
