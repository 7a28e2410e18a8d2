"""Routes: those of function, gateway and description are the same; what every answer carries."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from api import bodies, listing, reviewing, routes, static, uploads
from api.settings import MAX_UPLOAD_BYTES
from classify import rows

from rigs.rows import make_row
from tests.unit.api.world import World, page_template, send
from tests.unit.template.cloudformation import ROOT, of_type

API = ROOT / "functions" / "api" / "api"
OPEN = {
    ("GET", "/"),
    ("GET", "/static/{release}/{file}"),
    ("GET", "/config.json"),
    ("POST", "/session"),
    ("DELETE", "/session"),
    ("POST", "/session/refresh"),
}


def described() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((API / "openapi.yaml").read_text(encoding="utf-8"))
    return found


def described_routes() -> dict[tuple[str, str], dict[str, Any]]:
    methods = ("get", "put", "post", "delete")
    return {
        (method.upper(), path): item[method]
        for path, item in described()["paths"].items()
        for method in methods
        if method in item
    }


def gateway_routes() -> dict[str, dict[str, Any]]:
    found = of_type(page_template(), "AWS::ApiGatewayV2::Route").values()
    return {route["RouteKey"]: route for route in found}


def test_description_in_the_zip_is_the_one_that_is_written() -> None:
    written = json.loads((API / "openapi.json").read_text(encoding="utf-8"))
    assert written == described(), "run `make openapi`"


def test_every_route_is_described_but_for_the_page_s_own_files() -> None:
    files = {("GET", "/"), ("GET", "/static/{release}/{file}")}
    assert set(described_routes()) == set(routes.ROUTES) - files


def test_gateway_has_every_route_of_the_function_and_one_for_all_others() -> None:
    expected = {f"{method} {path}" for method, path in routes.ROUTES} | {"$default"}
    assert set(gateway_routes()) == expected


@pytest.mark.parametrize("route", [*routes.ROUTES, ("", "$default")], ids=" ".join)
def test_route_wants_the_scope_that_its_description_says(route: tuple[str, str]) -> None:
    gateway = gateway_routes()[" ".join(route).strip()]
    if route in OPEN:
        assert "AuthorizationType" not in gateway
        assert (
            route[1] in ("/", "/static/{release}/{file}")
            or described_routes()[route]["security"] == []
        )
        return
    assert gateway["AuthorizationType"] == "JWT"
    assert gateway["AuthorizerId"] == {"Ref": "Authorizer"}
    scope = "read" if route[0] in ("GET", "") else "write"
    assert gateway["AuthorizationScopes"] == [{"Fn::Sub": f"${{Scopes}}/{scope}"}]
    if route[0]:
        wanted = described_routes()[route].get("security", described()["security"])
        assert wanted == [{"token": [f"predictions/{scope}"]}]


def test_numbers_of_the_description_are_the_code_s() -> None:
    schemas = described()["components"]["schemas"]
    assert schemas["Verdict"]["enum"] == list(reviewing.Verdict)
    assert schemas["Breed"]["maxLength"] == bodies.MAX_BREED_CHARS
    text = (API / "openapi.yaml").read_text(encoding="utf-8")
    assert f"maximum: {MAX_UPLOAD_BYTES}" in text
    assert f"larger than {bodies.MAX_BODY_BYTES // 1024} KiB" in text
    assert uploads.FORM_VALID_S == 3600


def test_function_knows_what_classify_writes() -> None:
    assert listing.MONTH_SHARDS == rows.MONTH_SHARDS
    classify = (ROOT / "template.yaml").read_text(encoding="utf-8")
    assert f'MAX_OBJECT_BYTES: "{MAX_UPLOAD_BYTES}"' in classify


def test_path_that_is_none_is_a_404_in_words(world: World) -> None:
    answer = world.get("/photos")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "openapi.json" in answer.body["detail"]


@pytest.mark.parametrize("identifier", ["a", "dXA=", "é", "_" * 9, "A" * 2000])
def test_id_of_no_key_is_a_404(world: World, identifier: str) -> None:
    for path in ("", "/photo", "/thumbnail"):
        assert world.get(f"/predictions/{identifier}{path}").status == 404


def test_method_that_is_none_is_a_405_that_names_the_others(world: World) -> None:
    answer = world.ask("DELETE", "/predictions/abc/review")
    assert (answer.status, answer.headers["allow"]) == (405, "PUT")
    assert world.ask("PUT", "/session").headers["allow"] == "DELETE, POST"


def test_fault_of_our_own_is_a_500_in_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(routes.tallies, "look", broken)
    answer = world.get("/summary")
    assert (answer.status, answer.body["status"]) == (500, 500)
    assert "secret" not in json.dumps(answer.body)


def test_every_answer_forbids_sniffing_and_referrers(world: World) -> None:
    for path in ("/", "/predictions", "/nothing", "/config.json"):
        headers = world.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"] == "max-age=31536000"


def test_answers_about_people_are_not_kept(world: World) -> None:
    world.put(make_row())
    assert world.review("RIGHT").headers["cache-control"] == "no-store"
    assert world.get("/predictions").headers["cache-control"] == "private, no-cache"


def test_description_is_served_and_revalidated(world: World) -> None:
    answer = world.get("/openapi.json")
    assert answer.body == described()
    tag = answer.headers["etag"]
    assert world.ask("GET", "/openapi.json", headers={"if-none-match": tag}).status == 304


# ---------------------------------------------------------------------------------------- the page


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "index.html").write_text("<!doctype html><title>Photos</title>" + " " * 2000)
    (tmp_path / "main.js").write_text("export const a = 1;")
    (tmp_path / ".hidden").write_text("no")
    (tmp_path / "odd.bin").write_bytes(b"\x00\xff")
    monkeypatch.setattr(static, "FOLDER", tmp_path)
    return tmp_path


def test_page_needs_no_token_and_is_kept_to_itself(world: World, folder: Path) -> None:
    answer = send("GET", "/", caller=None)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )
    bucket = "https://photos.s3.us-east-1.amazonaws.com"
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' blob: {bucket} {bucket.replace('photos', 'shelter')}",
        "connect-src": f"'self' {bucket}",
        "font-src": "'self'",
        "manifest-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "geolocation=()" in answer.headers["permissions-policy"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("main.js", "text/javascript; charset=utf-8"), ("odd.bin", "application/octet-stream")],
)
def test_file_has_its_type_and_a_strong_tag(
    world: World, folder: Path, name: str, kind: str
) -> None:
    answer = send("GET", f"/static/old/{name}", caller=None)
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["cache-control"] == "no-cache"
    tag = answer.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    again = send("GET", f"/static/old/{name}", caller=None, headers={"if-none-match": tag})
    assert again.status == 304
    assert "content-type" not in again.headers


@pytest.mark.parametrize("name", [".hidden", "none.js", "..", "../handler.py", "%2e%2e"])
def test_nothing_but_the_folder_s_files_is_served(world: World, folder: Path, name: str) -> None:
    assert send("GET", f"/static/old/{name}", caller=None).status == 404


def test_files_that_the_page_names_are_kept_for_good_until_one_of_them_changes(
    world: World, folder: Path
) -> None:
    (folder / "index.html").write_text('<script src="static/main.js"></script>')
    page = send("GET", "/", caller=None)
    assert page.headers["cache-control"] == "no-cache"
    (address,) = re.findall(r'src="(static/[0-9a-f]{12}/main\.js)"', page.body.decode())
    answer = send("GET", f"/{address}", caller=None)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    # WHEN any file is another one, as a deployment leaves it: in a new process
    (folder / "odd.bin").write_bytes(b"another")
    for remembered in (static.page, static.release, static.read):
        remembered.cache_clear()
    assert address not in send("GET", "/", caller=None).body.decode()


def test_page_is_compressed_for_who_takes_it(world: World, folder: Path) -> None:
    plain = send("GET", "/", caller=None)
    packed = send("GET", "/", caller=None, headers={"accept-encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "accept-encoding"
    assert packed.body == (folder / "index.html").read_bytes()
    assert packed.headers["etag"] != plain.headers["etag"]
