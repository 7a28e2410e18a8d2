"""Lambda entry point `api.handler.handle`: requests of an HTTP API (payload format 2.0).

Environment variables: see api.settings.
"""

import logging
import time
from typing import Any

from aws_lambda_powertools import Logger

from api.answers import NO_STORE, PROBLEM, finish, text_of
from api.clients import connect
from api.problems import ProblemError
from api.routes import ITEM_READS, app
from api.settings import Settings
from api.static import common_headers

SETTINGS = Settings.from_env()
SERVICES = connect(SETTINGS)
COMMON = common_headers(SETTINGS)
FAULT = ProblemError(500, "Something went wrong here, not with you. The log says what.")
NO_ACCESS = ProblemError(401, "This is no access token.")

logger = Logger()
logging.getLogger("aws_lambda_powertools").setLevel(logging.WARNING)


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        app.append_context(services=SERVICES)
        result = _refused(event) or app.resolve(event, context)
    except Exception:  # the one boundary: whatever it was, the caller gets words
        logger.exception("Request failed")
        result = _problem(FAULT)
    finished = finish(result, event.get("headers", {}), COMMON)
    logger.info(
        "Request done",
        route=event.get("routeKey"),
        status=finished["statusCode"],
        item_reads=finished["headers"].get(ITEM_READS),
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
    )
    return finished


def _refused(event: dict[str, Any]) -> dict[str, Any] | None:
    """The gateway asks whose a token is, not what for: the scopes of a refresh token are right."""
    authorizer = event["requestContext"].get("authorizer")
    if authorizer is None or authorizer["jwt"]["claims"].get("token_use") == "access":
        return None
    return _problem(NO_ACCESS)


def _problem(error: ProblemError) -> dict[str, Any]:
    headers = {"content-type": PROBLEM, **NO_STORE}
    return {"statusCode": error.status, "headers": headers, "body": text_of(error.body())}
