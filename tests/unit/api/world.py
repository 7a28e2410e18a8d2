"""The function over moto: rows as the classify function writes them, and the gateway's requests."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import boto3
from api import clients, handler
from api.clients import Services
from api.identifiers import id_of
from api.signing import Signer
from api.wire import item_of, row_of
from botocore.credentials import Credentials

from rigs.rows import NOW
from tests.unit.template.cloudformation import ROOT, parse, table_of, template

Json = dict[str, Any]


def page_template() -> Json:
    return parse((ROOT / "page" / "template.yaml").read_text())


def drift_template() -> Json:
    return parse((ROOT / "operate" / "drift.yaml").read_text())


@dataclass(frozen=True)
class Caller:
    """Whose token the gateway has verified."""

    name: str = "ann@example.com"
    groups: tuple[str, ...] = ("reviewers",)
    is_program: bool = False

    def claims(self) -> Json:
        if self.is_program:
            return {"sub": self.name, "client_id": self.name, "token_use": "access"}
        claims = {"sub": f"id of {self.name}", "client_id": "page", "username": self.name}
        claims["token_use"] = "access"
        if self.groups:
            claims["cognito:groups"] = f"[{' '.join(self.groups)}]"
        return claims


ANN, BOB = Caller(), Caller("bob@example.com")
ONLOOKER = Caller("eve@example.com", ())
PROGRAM = Caller("program", is_program=True)


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: Any
    cookies: list[str]


@functools.cache
def real_client(service: str) -> Any:
    """Made once: moto forgets its data for every test, its clients may stay."""
    return boto3.client(service)


@functools.cache
def real_resource() -> Any:
    """DynamoDB as the watch on drift talks to it."""
    return boto3.resource("dynamodb")


@dataclass
class Counting:
    """DynamoDB's client, with the items that queries of the predictions' indexes read counted."""

    client: Any
    reads: int = 0
    queries: int = 0
    faults: list[Exception] = field(default_factory=list)
    before_write: list[Callable[[], None]] = field(default_factory=list)

    def query(self, **asked: Any) -> Json:
        if self.faults:
            raise self.faults.pop(0)
        answer: Json = self.client.query(**asked)
        if "IndexName" in asked:
            self.reads += answer["ScannedCount"]
            self.queries += 1
        return answer

    def transact_write_items(self, **asked: Any) -> Any:
        if self.before_write:
            self.before_write.pop(0)()
        return self.client.transact_write_items(**asked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


@dataclass
class World:
    dynamodb: Counting
    services: Services
    clock: list[datetime]
    exchanged: list[Mapping[str, str]] = field(default_factory=list)
    tokens: list[Mapping[str, Any] | None] = field(default_factory=list)

    @classmethod
    def create(cls) -> World:
        dynamodb = Counting(real_client("dynamodb"))
        make_tables(dynamodb.client)
        clock = [NOW]
        signer = Signer(handler.SETTINGS.bucket_urls, "us-east-1", Credentials("key", "secret"))
        secrets = real_client("secretsmanager")
        secrets.create_secret(Name="cursors", SecretString="sesame")
        s3 = real_client("s3")
        services = clients.wire(
            handler.SETTINGS, dynamodb, signer, lambda: s3, lambda: secrets, lambda: clock[0]
        )
        return cls(dynamodb, services, clock)

    def put(self, *rows: Json) -> None:
        for row in rows:
            self.dynamodb.put_item(TableName="predictions", Item=item_of(row))

    def row(self, key: str = "uploads/rex.jpg") -> Json:
        return row_of(
            self.dynamodb.get_item(TableName="predictions", Key={"image_key": {"S": key}})["Item"]
        )

    def history(self, key: str = "uploads/rex.jpg") -> list[Json]:
        return list(self.services.history(key, 500))

    def tallies(self) -> dict[str, int]:
        """Counts of reviews, over all parts, without those of each model."""
        total: dict[str, int] = {}
        for item in self.dynamodb.scan(TableName="tallies")["Items"]:
            row = row_of(item)
            if row.pop("name") != "answers":
                for name, count in row.items():
                    total[name] = total.get(name, 0) + int(count)
        return {name: count for name, count in total.items() if count and "@" not in name}

    def tallies_by_model(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for item in self.dynamodb.scan(TableName="tallies")["Items"]:
            row = row_of(item)
            for name in [name for name in row if "@" in name]:
                total[name] = total.get(name, 0) + int(row[name])
        return {name: count for name, count in total.items() if count}

    def deployed(self, at: str, version: str, **more: object) -> None:
        item = {"stack": "photos", "at": at, "model_version": version, **more}
        self.dynamodb.put_item(TableName="photos-deployments", Item=item_of(item))

    def ask(
        self,
        method: str,
        path: str,
        caller: Caller | None = ANN,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answered:
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        return send(method, path, urlencode(query), caller, text, headers)

    def get(self, path: str, **query: Any) -> Answered:
        return self.ask("GET", path, **query)

    def review(
        self, verdict: str, breed: str | None = None, caller: Caller = ANN, **more: Any
    ) -> Answered:
        key = more.pop("key", "uploads/rex.jpg")
        body = {"version": more.pop("version", "0A"), "verdict": verdict, **more}
        if breed is not None:
            body["breed"] = breed
        return self.ask("PUT", f"/predictions/{id_of(key)}/review", caller, body)

    def pages(self, limit: int = 50, **filters: Any) -> list[Json]:
        """All pages of a list, as bodies, each with the `reads` it took."""
        pages: list[Json] = []
        cursor: dict[str, Any] = {}
        while True:
            before = self.dynamodb.reads
            body = self.get("/predictions", limit=limit, **filters, **cursor).body
            pages.append(body | {"reads": self.dynamodb.reads - before})
            if body["next"] is None:
                return pages
            cursor = {"cursor": body["next"]}

    def keys(self, limit: int = 50, **filters: Any) -> list[str]:
        return [item["key"] for page in self.pages(limit, **filters) for item in page["items"]]


def send(
    method: str,
    path: str,
    query: str = "",
    caller: Caller | None = ANN,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: list[str] | None = None,
) -> Answered:
    context: Json = {
        "http": {"method": method, "path": path},
        "stage": "$default",
        "apiId": "abc",
        "requestId": "r",
    }
    if caller is not None:
        context["authorizer"] = {"jwt": {"claims": caller.claims(), "scopes": []}}
    event: Json = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": dict(headers or {}),
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query))
    if body is not None:
        event["body"] = body
    if cookies:
        event["cookies"] = cookies
    return answered(handler.handle(event, Context()))


def answered(result: Json) -> Answered:
    body: Any = result.get("body", "")
    if result.get("isBase64Encoded"):
        body = base64.b64decode(body)
        if result["headers"].get("content-encoding") == "gzip":
            body = gzip.decompress(body)
    if body and "json" in result["headers"].get("content-type", ""):
        body = json.loads(body)
    return Answered(result["statusCode"], result["headers"], body, result.get("cookies", []))


class Context:
    function_name = "api"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:api"
    aws_request_id = "00000000-0000-4000-8000-000000000000"


def make_tables(dynamodb: Any) -> None:
    """As the templates say."""
    wanted = {
        "predictions": table_of(template(), "PredictionsTable"),
        "photos-deployments": table_of(template(), "DeploymentsTable"),
        "photos-drift": table_of(drift_template(), "DriftTable"),
        "reviews": table_of(page_template(), "ReviewsTable"),
        "tallies": table_of(page_template(), "TalliesTable"),
    }
    for name, given in wanted.items():
        dynamodb.create_table(TableName=name, **given)
