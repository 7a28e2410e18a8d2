"""The API of the page, in memory: openapi.yaml's answers, a sign-in page, and a bucket.

The page lives at http://127.0.0.1:<port>/_aws/execute-api/fake/, the bucket at another origin
(http://localhost:<port>/bucket), as they do on AWS. Tests change `rows` and the switches directly.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading

from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.page.drawings import dog
from tests.page.rows import BREEDS, PERSON, Row, classified, identifier, instant

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
        self.drift_days: list[Row] | None = None  # None: nobody watches
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
