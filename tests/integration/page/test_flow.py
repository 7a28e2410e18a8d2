"""What people and programs do with the API, through the gateway, the function and the tables."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from local.launch import ROOT, Cloud
from rigs.page import EMAIL, Page, Person, deploy
from rigs.rows import make_row


def put(page: Page, *rows: dict[str, Any]) -> None:
    table = page.cloud.resource("dynamodb").Table(page.outputs["TableName"])
    for row in rows:
        table.put_item(Item=row)


def said(person: Person, item: dict[str, Any], verdict: str, **more: Any) -> httpx.Response:
    body = {"version": item["version"], "verdict": verdict, **more}
    return person.http.put(f"{item['links']['self']}/review", headers=person.headers, json=body)


def test_uploaded_file_is_in_the_bucket_under_the_key_that_was_given(page: Page) -> None:
    person = page.sign_in(EMAIL)
    file = {"name": "rex.jpg", "size": 5, "content_type": "image/jpeg"}
    answer = person.http.post("uploads", headers=person.headers, json={"files": [file]})
    (form,) = answer.json()["uploads"]
    bytes_of = {"right": b"right", "longer": b"longer"}
    sent = {
        name: httpx.post(
            form["url"], data=form["fields"], files={"file": content}, trust_env=False
        ).status_code
        for name, content in bytes_of.items()
    }
    assert sent == {"right": 204, "longer": 400}
    found = page.cloud.client("s3").get_object(Bucket=page.outputs["BucketName"], Key=form["key"])
    assert (found["Body"].read(), found["ContentType"]) == (b"right", "image/jpeg")


def test_photo_is_seen_through_its_address_alone(page: Page) -> None:
    bucket = page.outputs["BucketName"]
    key = "uploads/der Hünd.jpg"
    stored = page.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"first")
    page.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"second")
    put(page, make_row(key) | {"version_id": stored["VersionId"]})
    person = page.sign_in(EMAIL)
    links = person.http.get("predictions", headers=person.headers, params={"limit": 100}).json()
    (item,) = [each for each in links["items"] if each["key"] == key]
    url = person.http.get(
        item["links"]["photo"], headers={**person.headers, "accept": "application/json"}
    ).json()["url"]
    assert httpx.get(url, trust_env=False).content == b"first"
    assert httpx.get(url.replace("Expires=300", "Expires=301"), trust_env=False).status_code == 403


def test_two_people_review_at_once_and_both_stay(page: Page) -> None:
    page.add_person("bob@example.com", "reviewers")
    put(page, make_row("uploads/both.jpg", sample=True, at=datetime.now(UTC)))
    people = [page.sign_in(EMAIL), page.sign_in("bob@example.com")]
    (item,) = [
        each
        for each in people[0].http.get("predictions", headers=people[0].headers).json()["items"]
        if each["key"] == "uploads/both.jpg"
    ]
    with ThreadPoolExecutor(2) as pool:
        verdicts = ("RIGHT", "UNSURE")
        answers = list(
            pool.map(lambda each: said(each[0], item, each[1]), zip(people, verdicts, strict=True))
        )
    assert [answer.status_code for answer in answers] == [200, 200]
    shown = people[0].http.get(item["links"]["self"], headers=people[0].headers).json()
    assert {entry["by"] for entry in shown["history"]} == {EMAIL, "bob@example.com"}
    assert shown["review"]["id"] == shown["history"][0]["id"]
    # WHEN the photo is replaced, nobody's word lands on the new one
    put(page, make_row("uploads/both.jpg", sequencer="0B", at=datetime.now(UTC)))
    late = said(people[0], item, "RIGHT")
    assert late.status_code == 412
    assert late.json()["current"]["version"] == "0B"


def test_renewed_session_may_what_the_first_one_might(page: Page) -> None:
    person = page.sign_in(EMAIL)
    renewed = person.http.post("session/refresh").raise_for_status().json()
    assert person.session["can_review"]
    assert (renewed["can_review"], renewed["user"]) == (True, person.session["user"])


def test_unchanged_list_is_a_304_compressed_or_not(page: Page) -> None:
    put(page, *(make_row(f"uploads/e{n}.jpg", at=datetime.now(UTC)) for n in range(5)))
    headers = {"authorization": f"Bearer {page.program_token()}"}
    for encoding in ("identity", "gzip"):
        with page.client(headers=headers | {"accept-encoding": encoding}) as http:
            first = http.get("predictions")
            assert first.headers.get("content-encoding", "identity") == encoding
            again = http.get("predictions", headers={"if-none-match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")


def test_thousandth_of_pages_goes_on_where_the_one_before_ended(page: Page) -> None:
    now = datetime.now(UTC)
    put(page, *(make_row(f"uploads/p{n}.jpg", at=now - timedelta(seconds=n)) for n in range(70)))
    headers = {"authorization": f"Bearer {page.program_token()}"}
    keys: list[str] = []
    cursor: dict[str, str] = {}
    with page.client(headers=headers) as http:
        while True:
            answer = http.get("predictions", params={"limit": 20, **cursor}).json()
            keys += [item["key"] for item in answer["items"]]
            if answer["next"] is None:
                break
            cursor = {"cursor": answer["next"]}
    assert len(keys) == len(set(keys))
    assert [key for key in keys if key.startswith("uploads/p")] == [
        f"uploads/p{n}.jpg" for n in range(70)
    ]


def test_page_that_is_deleted_leaves_the_first_stack_and_what_people_said(cloud: Cloud) -> None:
    page = deploy(cloud, "second", build=False)
    page.set_password(EMAIL)
    put(page, make_row("uploads/kept.jpg", at=datetime.now(UTC)))
    person = page.sign_in(EMAIL)
    (item,) = person.http.get("predictions", headers=person.headers).json()["items"]
    assert said(person, item, "NEW_BREED", breed="Elo").status_code == 200
    before = cloud.client("cloudformation").describe_stacks(StackName="second")["Stacks"][0]

    delete = ["sam", "delete", "--stack-name", "second-page", "--no-prompts"]
    subprocess.run(delete, cwd=ROOT, env=cloud.environment(), check=True, capture_output=True)

    after = cloud.client("cloudformation").describe_stacks(StackName="second")["Stacks"][0]
    assert after == before
    # WHEN the page is deployed again, it takes up what was left
    again = deploy(cloud, "second", build=False)
    again.set_password(EMAIL)
    person = again.sign_in(EMAIL)
    shown = person.http.get(item["links"]["self"], headers=person.headers).json()
    assert [entry["breed"] for entry in shown["history"]] == ["Elo"]
    assert person.http.get("summary", headers=person.headers).json()["reviewed"] == 1
    # AND a change of the stack keeps them
    deploy(cloud, "second", build=False)
    assert person.http.get(item["links"]["self"], headers=person.headers).json()["history"]
