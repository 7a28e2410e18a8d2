"""The fake API's routes: the page's files, the sign-in page, the API itself, and the bucket."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.page.fake_api import BASE, LARGEST, REVIEWABLE, FakeApi, problem
from tests.page.rows import Row, identifier, instant

STATIC = Path(__file__).resolve().parents[2] / "functions" / "api" / "api" / "static"
RELEASE = "0123456789ab"  # the real API's is a hash of the files


def failed(status: int, detail: str) -> JSONResponse:
    return JSONResponse(problem(status, detail), status, media_type="application/problem+json")


def tagged(request: Request, body: Row) -> Response:
    tag = '"' + hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16] + '"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return JSONResponse(body, headers={"ETag": tag})


def application(api: FakeApi) -> Starlette:
    """The routes. Those of the bucket and of the sign-in page are on the same port."""
    # Synchronous ones run in threads, so that they can wait at a gate.
    routes = [
        Route("/oauth2/authorize", lambda request: _sign_in_form(request)),
        Route("/login", _in_thread(api, _login), methods=["POST"]),
        Route("/logout", lambda request: RedirectResponse(request.query_params["logout_uri"])),
        Route("/bucket", _in_thread(api, _store), methods=["POST", "OPTIONS"]),
        Route("/bucket/{which}/{id}", _in_thread(api, _picture)),
        Route(f"{BASE}/", lambda _: _file("index.html", api)),
        Route(
            f"{BASE}/static/{RELEASE}/{{name}}",
            lambda request: _file(request.path_params["name"], api),
        ),
        Route(f"{BASE}/config.json", lambda _: _config(api)),
        Route(f"{BASE}/session", _in_thread(api, _session), methods=["POST", "DELETE"]),
        Route(f"{BASE}/session/refresh", _in_thread(api, _refresh), methods=["POST"]),
        Route(f"{BASE}/predictions", _in_thread(api, _list)),
        Route(f"{BASE}/predictions/{{id}}", _in_thread(api, _one)),
        Route(f"{BASE}/predictions/{{id}}/review", _in_thread(api, _review), methods=["PUT"]),
        Route(f"{BASE}/predictions/{{id}}/{{which}}", _in_thread(api, _address)),
        Route(f"{BASE}/reviews", _in_thread(api, _reviews), methods=["POST"]),
        Route(f"{BASE}/uploads", _in_thread(api, _uploads), methods=["POST"]),
        Route(f"{BASE}/queue", _in_thread(api, _queue)),
        Route(f"{BASE}/breeds", _in_thread(api, _breeds)),
        Route(f"{BASE}/summary", _in_thread(api, _summary)),
        Route(f"{BASE}/drift", _in_thread(api, _drift)),
    ]
    return Starlette(routes=routes)


def _in_thread(api: FakeApi, answer: Any) -> Any:
    """Reads the body, notes the request and answers it in a thread."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        path = request.url.path.removeprefix(BASE).lstrip("/")
        response: Response = await run_in_threadpool(_guarded, api, answer, request, path, body)
        api.requests.append((request.method, path, response.status_code))
        return response

    return endpoint


def _guarded(api: FakeApi, answer: Any, request: Request, path: str, body: bytes) -> Response:
    for start, status in list(api.faults.items()):
        if path.startswith(start):
            return failed(status, "Made to fail.")
    if not path.startswith(("bucket", "session", "login")):
        if not api.knows(request):
            return JSONResponse({"message": "Unauthorized"}, 401)
        if request.method != "GET" and not api.can_review:
            return JSONResponse({"message": "Forbidden"}, 403)
    response: Response = answer(api, request, body)
    return response


def _key(api: FakeApi, request: Request) -> str:
    text: str = request.path_params["id"]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def _file(name: str, api: FakeApi) -> Response:
    path = STATIC / name
    if path.parent != STATIC or not path.is_file():
        return failed(404, "There is no such file.")
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src 'self' http://localhost:{api.port} blob:; "
        f"connect-src 'self' http://localhost:{api.port}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    kind = mimetypes.guess_type(name)[0]
    headers = {"Content-Security-Policy": policy, "Cache-Control": "public, max-age=31536000"}
    content = path.read_bytes()
    if name == "index.html":
        headers["Cache-Control"] = "no-cache"
        content = content.replace(b'"static/', f'"static/{RELEASE}/'.encode())
    return Response(content, media_type=kind, headers=headers)


def _sign_in_form(request: Request) -> Response:
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{request.query_params[name]}">'
        for name in ("redirect_uri", "state", "code_challenge")
    )
    return HTMLResponse(
        f'<title>Sign in</title><form method="post" action="/login">{fields}'
        "<button>Go on</button></form>"
    )


def _login(api: FakeApi, request: Request, body: bytes) -> Response:
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    answer = urlencode({"code": api.challenge(form["code_challenge"]), "state": form["state"]})
    return RedirectResponse(f"{form['redirect_uri']}?{answer}", 303)


def _config(api: FakeApi) -> Response:
    origin = f"http://127.0.0.1:{api.port}"
    return JSONResponse(
        {
            "sign_in": f"{origin}/oauth2/authorize",
            "sign_out": f"{origin}/logout",
            "client_id": "page",
            "scopes": ["openid", "predictions/read", "predictions/write"],
            "max_upload_bytes": LARGEST,
        }
    )


def _session(api: FakeApi, request: Request, body: bytes) -> Response:
    if request.headers.get("x-requested-with") != "page":
        return failed(403, "Another site asks.")
    if request.method == "DELETE":
        api.end_sessions()
        return Response(status_code=204)
    given = json.loads(body)
    if given["redirect_uri"] != api.url or not api.verified(given["code"], given["code_verifier"]):
        return failed(401, "The code is not right.")
    return api.session(None)


def _refresh(api: FakeApi, request: Request, body: bytes) -> Response:
    cookie = request.cookies.get("refresh")
    if request.headers.get("x-requested-with") != "page" or not api.remembers(cookie):
        return failed(401, "The sign-in is over or was never made.")
    return api.session(cookie)


def _list(api: FakeApi, request: Request, body: bytes) -> Response:
    api.gate.wait(30)
    items, following = api.listed(dict(request.query_params))
    return tagged(request, {"items": items, "next": following})


def _one(api: FakeApi, request: Request, body: bytes) -> Response:
    row = api.rows.get(_key(api, request))
    return tagged(request, api.told(row, whole=True)) if row else failed(404, "No such photo.")


def _address(api: FakeApi, request: Request, body: bytes) -> Response:
    row = api.rows.get(_key(api, request))
    if row is None:
        return failed(404, "No such photo.")
    which = request.path_params["which"]
    return JSONResponse({"url": f"{api.bucket}/{which}/{row['id']}?v={row['version']}"})


def _review(api: FakeApi, request: Request, body: bytes) -> Response:
    status, answer = api.review(_key(api, request), json.loads(body))
    return JSONResponse(answer, status)


def _reviews(api: FakeApi, request: Request, body: bytes) -> Response:
    results = []
    for said in json.loads(body)["reviews"]:
        status, answer = api.review(said["key"], said)
        name = "prediction" if status == 200 else "problem"
        results.append(
            {"key": said["key"], "id": identifier(said["key"]), "status": status, name: answer}
        )
    return JSONResponse({"results": results})


def _uploads(api: FakeApi, request: Request, body: bytes) -> Response:
    return JSONResponse({"uploads": [api.form(file) for file in json.loads(body)["files"]]})


def _queue(api: FakeApi, request: Request, body: bytes) -> Response:
    rows = [api.told(row) for row in api.rows.values() if "confidence" in row]
    rows = [row for row in rows if "review" not in row]
    rows.sort(key=lambda row: row["confidence"])
    return tagged(request, {"items": rows[: int(request.query_params["limit"])]})


def _breeds(api: FakeApi, request: Request, body: bytes) -> Response:
    breeds = [{"name": name, "count": at, "known": True} for at, name in enumerate(api.breeds)]
    return tagged(request, {"breeds": breeds, "as_of": "2026-11-26T00:00:00Z"})


def _summary(api: FakeApi, request: Request, body: bytes) -> Response:
    statuses = [row["status"] for row in api.rows.values()]
    counts = {name: statuses.count(name) for name in (*REVIEWABLE, "REJECTED")}
    reviewed = sum(api.standing(row) is not None for row in api.rows.values())
    return tagged(
        request,
        {"counts": counts, "reviewed": reviewed, "accuracy": api.accuracy, "as_of": instant()},
    )


def _drift(api: FakeApi, request: Request, body: bytes) -> Response:
    watched = api.drift_days is not None
    return tagged(request, {"watched": watched, "items": api.drift_days or []})


def _store(api: FakeApi, request: Request, body: bytes) -> Response:
    headers = {"Access-Control-Allow-Origin": f"http://127.0.0.1:{api.port}"}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers | {"Access-Control-Allow-Headers": "*"})
    api.bucket_gate.wait(30)
    fields, file = _parts(request.headers["content-type"], body)
    return Response(status_code=api.stored(fields, file), headers=headers)


def _parts(content_type: str, body: bytes) -> tuple[dict[str, str], bytes]:
    """The fields of a form, and its file."""
    whole = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    fields: dict[str, str] = {}
    file = b""
    parts: list[Message] = whole.get_payload()  # type: ignore[assignment]
    for part in parts:
        content: bytes = part.get_payload(decode=True)  # type: ignore[assignment]
        name = str(part.get_param("name", header="content-disposition"))
        if name == "file":
            file = content
        else:
            fields[name] = content.decode()
    return fields, file


def _picture(api: FakeApi, request: Request, body: bytes) -> Response:
    row = api.rows.get(_key(api, request))
    if api.listed_thumbnails_run_out and "listed" in request.query_params:
        return failed(403, "The signature ran out.")
    if row is None or (request.path_params["which"] == "photo" and api.opaque_originals):
        return Response(b"not for this browser", media_type="image/heic")
    return Response(api.picture(row, request.path_params["which"]), media_type="image/jpeg")
