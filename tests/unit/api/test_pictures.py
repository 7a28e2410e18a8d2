"""Addresses that need no token, and forms for uploads."""

from __future__ import annotations

import base64
import json
import string
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from api.identifiers import id_of, key_of
from api.signing import Signer, window_of
from api.uploads import clean
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from rigs.rows import NOW, make_rejected, make_row
from tests.unit.api.world import ONLOOKER, World

REX = "uploads/rex.jpg"
ORIGIN = "https://photos.s3.us-east-1.amazonaws.com"


@given(
    key=st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()),
    token=st.sampled_from([None, "token/+="]),
    extra=st.dictionaries(
        st.sampled_from(["versionId", "response-content-type"]), st.text(max_size=20)
    ),
)
def test_addresses_are_signed_as_botocore_signs_them(
    key: str, token: str | None, extra: dict[str, str]
) -> None:
    credentials = Credentials("key", "secret", token)
    ours = Signer({"": "https://b.s3.eu-west-1.amazonaws.com"}, "eu-west-1", credentials).address(
        key, NOW, 300, extra
    )
    where = urlsplit(ours)
    given_query = parse_qs(where.query, keep_blank_values=True, strict_parsing=True)
    request = AWSRequest("GET", f"{where.scheme}://{where.netloc}{where.path}")
    signer = S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires=300)
    request.context["timestamp"] = given_query["X-Amz-Date"][0]
    unsigned = {name: value[0] for name, value in given_query.items() if name != "X-Amz-Signature"}
    request.params = unsigned
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert given_query["X-Amz-Signature"] == [signature]


def test_list_s_thumbnails_stay_the_same_for_half_an_hour_and_hold_for_as_long_again(
    world: World,
) -> None:
    world.put(make_row())
    start = window_of(NOW + timedelta(minutes=29))
    urls = []
    for minutes in (0, 29, 30):
        world.clock[0] = start + timedelta(minutes=minutes)
        (item,) = world.get("/predictions").body["items"]
        urls.append(item["thumbnail_url"])
        query = parse_qs(urlsplit(urls[-1]).query)
        assert query["X-Amz-Expires"] == ["3600"]
    assert urls[0] == urls[1] != urls[2]
    assert urls[0].startswith(f"{ORIGIN}/thumbnails/")


def test_photo_is_a_redirect_to_the_version_that_was_answered(world: World) -> None:
    world.put(make_row("uploads/der Hünd.jpg"))
    answer = world.get(f"/predictions/{id_of('uploads/der Hünd.jpg')}/photo")
    assert (answer.status, answer.headers["cache-control"]) == (302, "no-store")
    where = urlsplit(answer.headers["location"])
    assert f"{where.scheme}://{where.netloc}" == ORIGIN
    query = parse_qs(where.query)
    assert (query["versionId"], query["X-Amz-Expires"]) == (["v1"], ["300"])
    name = "attachment; filename*=UTF-8''der%20H%C3%BCnd.jpg"
    assert query["response-content-disposition"] == [name]


def test_photo_of_another_bucket_is_where_it_is_and_its_thumbnail_with_us(world: World) -> None:
    key = "s3://shelter/2019/rex.jpg"
    world.put(make_row(key))
    where = urlsplit(world.get(f"/predictions/{id_of(key)}/photo").headers["location"])
    assert (where.netloc, where.path) == ("shelter.s3.us-east-1.amazonaws.com", "/2019/rex.jpg")
    thumbnail = world.get(f"/predictions/{id_of(key)}/thumbnail").headers["location"]
    assert thumbnail.startswith(f"{ORIGIN}/thumbnails/")
    policy = world.ask("GET", "/").headers["content-security-policy"]
    assert "https://shelter.s3.us-east-1.amazonaws.com" in policy


def test_photo_of_a_bucket_that_is_not_named_is_not_signed(world: World) -> None:
    key = "s3://somebody-s/rex.jpg"
    world.put(make_row(key))
    assert world.get(f"/predictions/{id_of(key)}/photo").status == 404


@pytest.mark.parametrize("which", ["photo", "thumbnail"])
def test_page_gets_the_address_in_a_body(world: World, which: str) -> None:
    world.put(make_row())
    path = f"/predictions/{id_of(REX)}/{which}"
    answer = world.ask("GET", path, ONLOOKER, headers={"accept": "application/json"})
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.body["url"].startswith(ORIGIN)


def test_thumbnail_that_there_is_not_is_a_404(world: World) -> None:
    world.put(make_rejected(REX))
    assert world.get(f"/predictions/{id_of(REX)}/thumbnail").status == 404
    assert world.get(f"/predictions/{id_of(REX)}/photo").status == 302
    assert world.get(f"/predictions/{id_of('uploads/none.jpg')}/photo").status == 404


@given(st.text(min_size=1, max_size=300).filter(lambda text: text.isprintable()))
def test_key_comes_back_from_its_id_whatever_is_in_it(key: str) -> None:
    assert key_of(id_of(key)) == key
    assert set(id_of(key)) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize(
    "identifier", ["a", "dXA", "====", "dXA=", "dX A", "_" * 9, "A" * 1500, "é"]
)
def test_id_that_is_no_key_s_is_refused(identifier: str) -> None:
    if identifier == "dXA":
        assert key_of(identifier) == "up"
        return
    with pytest.raises(ValueError, match="base64url"):
        key_of(identifier)


def policy(form: dict[str, Any]) -> list[Any]:
    conditions: list[Any] = json.loads(base64.b64decode(form["fields"]["policy"]))["conditions"]
    return conditions


def test_form_holds_for_one_key_one_size_and_one_content_type(world: World) -> None:
    file = {"name": "C:\\dogs\\Mein Hund.HEIC", "size": 12345, "content_type": "image/heic"}
    answer = world.ask("POST", "/uploads", body={"files": [file]})
    (form,) = answer.body["uploads"]
    assert form["url"] == f"{ORIGIN}/"
    assert form["key"].startswith("uploads/2026-11-26/")
    assert form["key"].endswith("-Mein-Hund.HEIC")
    assert key_of(form["id"]) == form["key"] == form["fields"]["key"]
    conditions = policy(form)
    assert {"key": form["key"]} in conditions
    assert {"Content-Type": "image/heic"} in conditions
    assert ["content-length-range", 12345, 12345] in conditions
    assert {"bucket": "photos"} in conditions
    assert not any(isinstance(each, list) and each[0] == "starts-with" for each in conditions)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"size": 0}, "size"),
        ({"size": 26214401}, "size"),
        ({"size": True}, "size"),
        ({"size": "5"}, "size"),
        ({"name": ""}, "name"),
        ({"content_type": "image"}, "content_type"),
        ({"content_type": "image/jpeg\n"}, "content_type"),
        ({"where": "/"}, "where"),
    ],
)
def test_file_that_cannot_be_uploaded_is_refused_by_name(
    world: World, change: dict[str, Any], field: str
) -> None:
    file = {"name": "a.jpg", "size": 5, "content_type": "image/jpeg"} | change
    answer = world.ask("POST", "/uploads", body={"files": [file]})
    assert answer.status == 422
    assert [each["field"] for each in answer.body["errors"]] == [f"files[0].{field}"]


@given(st.text(max_size=200))
def test_clean_names_trip_nothing_over(name: str) -> None:
    cleaned = clean(name)
    assert 1 <= len(cleaned) <= 80
    assert set(cleaned) <= set(string.ascii_letters + string.digits + "._-")
    assert cleaned[0] not in ".-"


def test_hundred_forms_have_keys_of_their_own(world: World) -> None:
    file = {"name": "a.jpg", "size": 5, "content_type": "image/jpeg"}
    answer = world.ask("POST", "/uploads", body={"files": [file] * 100})
    assert len({form["key"] for form in answer.body["uploads"]}) == 100
