"""The routes: what each reads of a request, whom it asks, and what it answers."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from api import (
    bodies,
    deployments,
    drift,
    presenting,
    queue,
    reviewing,
    sessions,
    static,
    tallies,
    uploads,
)
from api.answers import JSON, NO_STORE, answer, etag_of, problem, revalidated, tagged
from api.clients import Services
from api.cursors import Position, seal, unseal
from api.filters import Filters, read_day, read_limit, read_query
from api.identifiers import id_of, key_of
from api.listing import Row, plan_for, read_page
from api.people import Caller, caller_of
from api.problems import FieldError, ProblemError, bad_query, no_row
from api.settings import MAX_UPLOAD_BYTES

SHOWN_HISTORY = 100
QUEUE_LIMIT = 20
MAX_QUERY_FIELDS = 40
ITEM_READS = "x-item-reads"
SCOPES = ("openid", "predictions/read", "predictions/write")
DESCRIPTION = Path(__file__).with_name("openapi.json")

logger = Logger(child=True)
app = APIGatewayHttpResolver()
Answer = Response[Any]


def _services() -> Services:
    services: Services = app.context["services"]
    return services


def _header(name: str) -> str:
    return _headers().get(name, "")


def _headers() -> Mapping[str, str]:
    headers: Mapping[str, str] = app.current_event.raw_event.get("headers", {})
    return headers


def _query() -> dict[str, list[str]]:
    text = app.current_event.raw_event.get("rawQueryString", "")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:
        raise bad_query([FieldError("", "has too many parameters")]) from error


def _key(identifier: str) -> str:
    try:
        return key_of(identifier)
    except ValueError as error:
        raise _no_id(str(error)) from error


def _no_id(why: str) -> ProblemError:
    return ProblemError(404, f"There is no photo of this id: it {why}.")


def _body() -> dict[str, Any]:
    return bodies.read_json(app.current_event.decoded_body)


def _writer() -> Caller:
    caller = _caller()
    caller.require_writing()
    return caller


def _caller() -> Caller:
    return caller_of(app.current_event.raw_event["requestContext"]["authorizer"]["jwt"]["claims"])


# ------------------------------------------------------------------------------------ predictions


def list_predictions() -> Answer:
    services, asked = _services(), read_query(_query())
    position = _position(asked.cursor, asked.filters, services)
    plan = plan_for(asked.filters, services.now(), services.settings.first_month)
    page = read_page(plan, position, asked.limit, asked.filters.match, services.query)
    following = None
    if page.next is not None:
        following = seal(page.next, asked.filters.text(), services.secret())
    listed = _listed(page.rows, services, {"next": following})
    listed.headers[ITEM_READS] = str(page.reads)
    return listed


def _position(cursor: str | None, filters: Filters, services: Services) -> Position | None:
    if cursor is None:
        return None
    try:
        return unseal(cursor, filters.text(), services.secret())
    except ValueError as error:
        raise bad_query([FieldError("cursor", str(error))]) from error


def _listed(rows: list[Row], services: Services, more: Mapping[str, Any]) -> Answer:
    now = services.now()
    shown = [presenting.with_thumbnail(row, services.signer, now) for row in rows]
    window = str(presenting.window_of(now))
    same = [[presenting.prediction(row) for row in rows], dict(more), window]
    return revalidated({"items": shown} | dict(more), same, _header("if-none-match"))


def get_prediction(id: str) -> Answer:
    services = _services()
    row = _existing(_key(id), services)
    history = list(services.history(row["image_key"], SHOWN_HISTORY))
    told = {"history": [reviewing.shown_review(entry) for entry in history]}
    now = services.now()
    same = [presenting.prediction(row), told, str(presenting.window_of(now))]
    shown = presenting.with_thumbnail(row, services.signer, now) | told
    return revalidated(shown, same, _header("if-none-match"))


def get_photo(id: str) -> Answer:
    return _redirected(id, presenting.photo_address)


def get_thumbnail(id: str) -> Answer:
    return _redirected(id, presenting.thumbnail_address)


def _redirected(identifier: str, address: presenting.Address) -> Answer:
    services = _services()
    row = _existing(_key(identifier), services)
    url = address(row, services.signer, services.now())
    if url is None:
        raise ProblemError(404, "There is no such picture (any more).")
    if "application/json" in _header("accept"):
        return answer({"url": url})
    return Response(HTTPStatus.FOUND, None, "", {**NO_STORE, "location": url})


def _existing(key: str, services: Services) -> Row:
    row = services.read_row(key)
    if row is None:
        raise no_row()
    return row


# ---------------------------------------------------------------------------------------- reviews


def put_review(id: str) -> Answer:
    caller = _writer()
    return answer(_review(_key(id), bodies.read_review(_body()), caller))


def post_reviews() -> Answer:
    caller = _writer()
    results = []
    for key, said in bodies.read_reviews(_body()):
        result: dict[str, Any] = {"key": key, "id": id_of(key), "status": 200}
        try:
            result["prediction"] = _review(key, said, caller)
        except ProblemError as error:
            result |= {"status": error.status, "problem": error.body()}
        results.append(result)
    return answer({"results": results})


def _review(key: str, said: reviewing.Said, caller: Caller) -> dict[str, Any]:
    services = _services()

    def shown(row: Row) -> dict[str, Any]:
        return presenting.with_thumbnail(row, services.signer, services.now())

    return shown(reviewing.review(key, said, caller, services.reviews, shown))


def get_queue() -> Answer:
    services, limit = _services(), read_limit(_query(), QUEUE_LIMIT)
    rows = queue.read_queue(limit, services.settings.first_month, services.now(), services.query)
    return _listed(rows, services, {})


def get_breeds() -> Answer:
    read_nothing()
    services = _services()
    answers, reviews = tallies.look(services.counts, services.settings.first_month)
    served = deployments.labels(services.deployments(1))
    breeds = tallies.breeds(answers, reviews, served)
    body = {"breeds": breeds, "as_of": answers.as_of}
    return revalidated(body, breeds, _header("if-none-match"))


def get_summary() -> Answer:
    read_nothing()
    services = _services()
    answers, reviews = tallies.look(services.counts, services.settings.first_month)
    summary = tallies.summary(answers, reviews)
    return revalidated(summary | {"as_of": answers.as_of}, summary, _header("if-none-match"))


def list_deployments() -> Answer:
    day = read_day(_query())
    services = _services()
    items, reviews = services.deployments(deployments.MOST), tallies.reviews(services.counts)
    chosen = deployments.serving_on(items, day) if day else items
    body = {"items": [deployments.shown(item, reviews) for item in chosen]}
    return revalidated(body, body, _header("if-none-match"))


def get_drift() -> Answer:
    read_nothing()
    services = _services()
    is_watched = bool(services.settings.drift_table)
    days = services.drift_days(drift.MOST) if is_watched else []
    body = drift.shown(days, is_watched)
    return revalidated(body, body, _header("if-none-match"))


def read_nothing() -> None:
    if names := list(_query()):
        raise bad_query([FieldError(name[:100], "is not a parameter") for name in names[:20]])


# ------------------------------------------------------------------------------- uploads, sign-in


def post_uploads() -> Answer:
    _writer()
    services = _services()
    files = bodies.read_files(_body())
    # Not botocore's: in us-east-1 it names another host than the page's content-security-policy.
    url = f"{services.settings.url_of(services.settings.bucket)}/"
    return answer({"uploads": uploads.forms(files, services.now(), url, services.sign_form)})


def get_config() -> Answer:
    settings = _services().settings
    return answer(
        {
            "sign_in": f"{settings.sign_in_url}/oauth2/authorize",
            "sign_out": f"{settings.sign_in_url}/logout",
            "client_id": settings.client_id,
            "scopes": SCOPES,
            "max_upload_bytes": MAX_UPLOAD_BYTES,
        }
    )


def post_session() -> Answer:
    services = _services()
    sessions.check_same_site(_headers())
    code, verifier, redirect_uri = bodies.read_code(_body())
    return _signed_in(
        sessions.start(code, verifier, redirect_uri, services.settings.client_id, services.exchange)
    )


def refresh_session() -> Answer:
    services, cookie = _services(), _cookie()
    sessions.check_same_site(_headers())
    try:
        token = cookie.read(_cookies())
        return _signed_in(sessions.refresh(token, services.settings.client_id, services.exchange))
    except ProblemError as error:
        refused = problem(error)
        if error.status == HTTPStatus.UNAUTHORIZED:
            refused.cookies = [cookie.forgotten()]
        return refused


def delete_session() -> Answer:
    services, cookie = _services(), _cookie()
    sessions.check_same_site(_headers())
    if token := cookie.read(_cookies()):
        services.revoke(token)
    return Response(HTTPStatus.NO_CONTENT, None, "", dict(NO_STORE), cookies=[cookie.forgotten()])


def _signed_in(session: sessions.Session) -> Answer:
    token = session.refresh_token
    return answer(session.body, cookies=[_cookie().kept(token)] if token else None)


def _cookie() -> sessions.SessionCookie:
    settings = _services().settings
    if not settings.is_local:
        return sessions.SessionCookie("/session", is_secure=True)
    # The local cloud has every API below one address.
    api = app.current_event.raw_event["requestContext"]["apiId"]
    return sessions.SessionCookie(f"/_aws/execute-api/{api}/session", is_secure=False)


def _cookies() -> list[str]:
    """The gateway takes them out of the headers; the local cloud leaves them there."""
    cookies: list[str] = app.current_event.raw_event.get("cookies") or _header("cookie").split(";")
    return cookies


# --------------------------------------------------------------------------------------- the page


def get_page() -> Answer:
    return _file(static.page(static.FOLDER), static.ASKED_ABOUT)


def get_static(release: str, file: str) -> Answer:
    found = static.read(file, static.FOLDER)
    if found is None:
        raise ProblemError(404, "There is no such file.")
    # A page that was opened while another release came names the one before: it gets today's file.
    is_current = release == static.release(static.FOLDER)
    return _file(found, static.KEPT if is_current else static.ASKED_ABOUT)


def _file(found: static.File, kept: str) -> Answer:
    headers = {"cache-control": kept, **static.page_headers(_services().settings)}
    return tagged(found.content, found.content_type, found.etag, _header("if-none-match"), headers)


def get_description() -> Answer:
    text, etag = _description()
    headers = {"cache-control": "no-cache"}
    return tagged(text, JSON, etag, _header("if-none-match"), headers)


@cache
def _description() -> tuple[str, str]:
    """The text, and its ETag."""
    description = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    text = json.dumps(description, separators=(",", ":"))
    return text, etag_of(text.encode())


# (method, path) -> who answers. The gateway's routes are page/template.yaml's.
ROUTES: Mapping[tuple[str, str], Callable[..., Answer]] = {
    ("GET", "/"): get_page,
    ("GET", "/static/{release}/{file}"): get_static,
    ("GET", "/config.json"): get_config,
    ("POST", "/session"): post_session,
    ("DELETE", "/session"): delete_session,
    ("POST", "/session/refresh"): refresh_session,
    ("GET", "/openapi.json"): get_description,
    ("GET", "/predictions"): list_predictions,
    ("GET", "/predictions/{id}"): get_prediction,
    ("GET", "/predictions/{id}/photo"): get_photo,
    ("GET", "/predictions/{id}/thumbnail"): get_thumbnail,
    ("PUT", "/predictions/{id}/review"): put_review,
    ("POST", "/reviews"): post_reviews,
    ("POST", "/uploads"): post_uploads,
    ("GET", "/queue"): get_queue,
    ("GET", "/breeds"): get_breeds,
    ("GET", "/summary"): get_summary,
    ("GET", "/deployments"): list_deployments,
    ("GET", "/drift"): get_drift,
}

for (_method, _path), _function in ROUTES.items():
    app.route(re.sub(r"\{(\w+)\}", r"<\1>", _path), method=_method)(_function)


@app.not_found
def no_route(_error: Exception) -> Answer:
    path = app.current_event.path
    methods = sorted(
        method for method, route in ROUTES if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path)
    )
    if not methods:
        return problem(
            ProblemError(404, "There is nothing at this path. GET openapi.json lists the paths.")
        )
    if app.current_event.http_method in methods:
        return problem(_no_id("has letters that are none of base64url's"))
    refused = problem(ProblemError(405, f"This path takes {', '.join(methods)}."))
    refused.headers["allow"] = ", ".join(methods)
    return refused


@app.exception_handler(ProblemError)
def told(error: ProblemError) -> Answer:
    if error.status >= 500:
        logger.error("Service behind fails", exc_info=error)
    return problem(error)
