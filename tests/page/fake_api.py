"""The API of the page, in memory: openapi.yaml's answers, a sign-in page, and a bucket.

The page lives at http://127.0.0.1:<port>/_aws/execute-api/fake/, the bucket at another origin
(http://localhost:<port>/bucket), as they do on AWS. Tests change `rows` and the switches directly.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import secrets
import threading
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

from tests.page.drawings import dog
from tests.page.rows import BREEDS, PERSON, Row, classified, identifier, instant

STATIC = Path(__file__).resolve().parents[2] / "functions" / "api" / "api" / "static"
BASE = "/_aws/execute-api/fake"
LARGEST = 26_214_400
REVIEWABLE = ("CLASSIFIED", "UNKNOWN_BREED", "NO_DOG")


class FakeApi:
    """What the server knows, and the switches by which a test disturbs it."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.history: dict[str, list[Row]] = {}
        self.breeds = list(BREEDS)
        self.accuracy: Row | None = None
        self.user = PERSON
        self.can_review = True
        self.answers_uploads = True
        self.refused_files: dict[str, int] = {}  # a part of a name: how often S3 still says no
        self.faults: dict[str, int] = {}  # a path's start: the status that it answers with
        self.opaque_originals = False  # as HEIC is in browsers that cannot show it
        self.listed_thumbnails_run_out = False  # as signed addresses do in a page that stays open
        self.gate = threading.Event()  # lists and pictures wait while it is not set
        self.gate.set()
        self.bucket_gate = threading.Event()
        self.bucket_gate.set()
        self.requests: list[tuple[str, str, int]] = []
        self.port = 0
        self._tokens: set[str] = set()
        self._cookies: set[str] = set()
        self._challenges: dict[str, str] = {}
        self._forms: dict[str, Row] = {}

    # --- what tests do to it

    def put(self, *rows: Row) -> None:
        for row in rows:
            self.rows[row["key"]] = row

    def expire_tokens(self) -> None:
        """The next request is 401, and the cookie brings a new token."""
        self._tokens.clear()

    def end_sessions(self) -> None:
        """Nothing but a new sign-in helps."""
        self._tokens.clear()
        self._cookies.clear()

    def asked(self, method: str, path: str) -> list[int]:
        """The answers to requests whose path starts so, after the page's own."""
        return [
            status
            for verb, where, status in self.requests
            if verb == method and where.startswith(path)
        ]

    def verdicts(self, key: str) -> list[tuple[str, str | None]]:
        """What was said about a photo, in order."""
        return [(said["verdict"], said.get("breed")) for said in self.history.get(key, [])]

    def files(self) -> list[Row]:
        """The uploads that were asked for, each with the key that it got."""
        return [file | {"key": key} for key, file in self._forms.items()]

    @property
    def tokens(self) -> set[str]:
        return self._tokens | self._cookies

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{BASE}/"

    @property
    def bucket(self) -> str:
        return f"http://localhost:{self.port}/bucket"

    # --- rows and reviews

    def told(self, row: Row, *, whole: bool = False) -> Row:
        told = dict(row)
        if row["status"] in REVIEWABLE:
            told["thumbnail_url"] = f"{self.bucket}/thumbnail/{row['id']}?v={row['version']}&listed"
        standing = self.standing(row)
        if standing:
            told["review"] = standing
        if whole:
            told["history"] = list(reversed(self.history.get(row["key"], [])))
        return told

    def standing(self, row: Row) -> Row | None:
        said = [
            each for each in self.history.get(row["key"], []) if each["version"] == row["version"]
        ]
        undone = {each.get("undoes") for each in said}
        left = [each for each in said if each["verdict"] != "UNDONE" and each["id"] not in undone]
        return left[-1] if left else None

    def review(self, key: str, body: Row) -> tuple[int, Row]:
        """Status, and the prediction or the problem."""
        row = self.rows.get(key)
        if row is None:
            return 404, problem(404, "There is no such photo.")
        if row["status"] not in REVIEWABLE:
            return 409, problem(409, "The photo was rejected: there is nothing to review.")
        if body["version"] != row["version"]:
            words = problem(412, "The photo was replaced by another one.")
            return 412, words | {"current": self.told(row)}
        told = ("verdict", "breed", "undoes", "version")
        said: Row = {name: body[name] for name in told if name in body}
        standing = self.standing(row)
        if said["verdict"] == "UNDONE":
            if not standing or standing["by"] != self.user:
                return 409, problem(409, "There is no review of yours on this photo to take back.")
            said["undoes"] = said.get("undoes", standing["id"])
        elif said["verdict"] == "WRONG_BREED" and said.get("breed") not in self.breeds:
            return 422, problem(422, "The verdict for that is NEW_BREED.")
        said |= {"id": secrets.token_hex(8), "by": self.user, "at": instant()}
        self.history.setdefault(key, []).append(said)
        return 200, self.told(row)

    def listed(self, query: dict[str, str]) -> tuple[list[Row], str | None]:
        """A page as the API makes it: filters look at no more than 1.2 x limit items."""
        limit = int(query.get("limit", 50))
        start = int(query.get("cursor", 0))
        rows = [self.told(row) for row in self.rows.values()]
        if query.get("order") == "least_sure":
            rows = [row for row in rows if "confidence" in row]
            rows.sort(key=lambda row: row["confidence"])
            rows.sort(key=lambda row: row["classified_at"][:7], reverse=True)
        else:
            rows.sort(key=lambda row: row["classified_at"], reverse=True)
        read = rows[start : start + int(limit * 1.2)]
        items = []
        for at, row in enumerate(read, start):
            if fits(row, query):
                items.append(row)
            if len(items) == limit:
                return items, str(at + 1) if at + 1 < len(rows) else None
        end = start + len(read)
        return items, str(end) if end < len(rows) else None

    # --- sessions

    def challenge(self, challenge: str) -> str:
        code = secrets.token_hex(8)
        self._challenges[code] = challenge
        return code

    def verified(self, code: str, verifier: str) -> bool:
        digest = hashlib.sha256(verifier.encode()).digest()
        made = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return self._challenges.pop(code, None) == made

    def session(self, cookie: str | None) -> JSONResponse:
        token, cookie = secrets.token_hex(16), cookie or secrets.token_hex(16)
        self._tokens.add(token)
        self._cookies.add(cookie)
        body = {
            "access_token": token,
            "expires_in": 3600,
            "user": self.user,
            "can_review": self.can_review,
        }
        answer = JSONResponse(body, headers={"Cache-Control": "no-store"})
        answer.set_cookie("refresh", cookie, httponly=True, samesite="strict", path=BASE)
        return answer

    def knows(self, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self._tokens

    def remembers(self, cookie: str | None) -> bool:
        return cookie in self._cookies

    # --- pictures and uploads

    def picture(self, row: Row, which: str) -> bytes:
        """A JPEG: the original, or the small one."""
        size = (row["width"], row["height"])
        if which == "thumbnail":
            size = (size[0] // 2, size[1] // 2)
        return dog(int(row["version"], 16), *size)

    def form(self, file: Row) -> Row:
        name = file["name"]
        key = f"uploads/2026-11-26/{secrets.token_hex(4)}-{name}"
        self._forms[key] = file
        fields = {"key": key, "Content-Type": file["content_type"], "policy": "signed"}
        return {"key": key, "id": identifier(key), "url": self.bucket, "fields": fields}

    def stored(self, fields: dict[str, str], body: bytes) -> int:
        file = self._forms.get(fields["key"])
        if file is None or len(body) != file["size"]:
            return 403
        for part, times in self.refused_files.items():
            if part in fields["key"] and times > 0:
                self.refused_files[part] -= 1
                return 403
        if self.answers_uploads:
            self.answer(fields["key"])
        return 204

    def answer(self, key: str) -> Row:
        """The classifier's part: a row for a photo that was uploaded."""
        number = len(self.rows)
        path = f"predictions/{identifier(key)}"
        links = {"self": path, "photo": f"{path}/photo", "thumbnail": f"{path}/thumbnail"}
        row = classified(number, key=key, id=identifier(key), classified_at=instant(), links=links)
        self.put(row)
        return row


def fits(row: Row, query: dict[str, str]) -> bool:
    day = row["classified_at"][:10]
    share = row.get("confidence", -1)
    tests = {
        "status": lambda value: row["status"] == value,
        "breed": lambda value: row.get("breed") == value,
        "reviewed": lambda value: ("review" in row) == (value == "true"),
        "confidence_from": lambda value: share >= float(value),
        "confidence_to": lambda value: 0 <= share <= float(value),
        "day_from": lambda value: day >= value,
        "day_to": lambda value: day <= value,
        "model_version": lambda value: row.get("model_version") == value,
    }
    return all(test(query[name]) for name, test in tests.items() if name in query)


def problem(status: int, detail: str) -> Row:
    return {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}


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
        Route(f"{BASE}/static/{{name}}", lambda request: _file(request.path_params["name"], api)),
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
    return Response(path.read_bytes(), media_type=kind, headers={"Content-Security-Policy": policy})


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
