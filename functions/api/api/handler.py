"""Lambda entry point `api.handler.handle`: requests of an HTTP API (payload format 2.0).

Environment variables: see api.settings.
"""

import logging
import time
from typing import Any

from aws_lambda_powertools import Logger

from api.answers import finish, text_of
from api.clients import connect
from api.problems import ProblemError
from api.routes import ITEM_READS, app
from api.settings import Settings
from api.static import common_headers

SETTINGS = Settings.from_env()
SERVICES = connect(SETTINGS)
COMMON = common_headers(SETTINGS)
FAULT = ProblemError(500, "Something went wrong here, not with you. The log says what.")

logger = Logger()
logging.getLogger("aws_lambda_powertools").setLevel(logging.WARNING)


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        app.append_context(services=SERVICES)
        result = app.resolve(event, context)
    except Exception:  # the one boundary: whatever it was, the caller gets words
        logger.exception("Request failed")
        headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
        result = {"statusCode": 500, "headers": headers, "body": text_of(FAULT.body())}
    finished = finish(result, event.get("headers", {}), COMMON)
    logger.info(
        "Request done",
        route=event.get("routeKey"),
        status=finished["statusCode"],
        item_reads=finished["headers"].get(ITEM_READS),
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
    )
    return finished
