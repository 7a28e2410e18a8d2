"""From an endpoint that knows no breed of a photo to the row, the lists and what people say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rigs.page import EMAIL, Page
from rigs.photos import pictures
from tests.integration.local.conftest import SageMaker, archive
from tests.schemas import check
from tests.waiting import wait_until

KEY = "uploads/stranger.jpg"
SERVING = Path(__file__).with_name("strange_serving.py")


def test_dog_of_no_known_breed_comes_from_the_endpoint_to_the_page(
    page: Page, tmp_path: Path
) -> None:
    # GIVEN an endpoint under the name that the stack was given
    sagemaker = SageMaker(page.cloud)
    serving = {"code/serving/__main__.py": SERVING.read_bytes()}
    config = sagemaker.config(archive(extra=serving))
    sagemaker.api.create_endpoint(EndpointName="elsewhere", EndpointConfigName=config)
    assert sagemaker.settled("elsewhere")["EndpointStatus"] == "InService"

    # WHEN a photo is uploaded
    (photo,) = pictures(tmp_path, 1)
    bucket = page.outputs["BucketName"]
    page.cloud.client("s3").put_object(Bucket=bucket, Key=KEY, Body=photo)
    table = page.cloud.resource("dynamodb").Table(page.outputs["TableName"])
    row: dict[str, Any] = wait_until(
        lambda: table.get_item(Key={"image_key": KEY}).get("Item"), timeout_s=120
    )

    # THEN its row has no breed, but its novelty and the nearest ones
    check("row", row)
    assert row["status"] == "UNKNOWN_BREED"
    assert "breed" not in row
    assert (float(row["novelty"]), row["top"][0]["label"]) == (0.985, "Pug")

    # AND the API lists, counts and queues it, and takes a review
    person = page.sign_in(EMAIL)

    def asked(path: str, **query: str) -> Any:
        answer = person.http.get(path, headers=person.headers, params=query)
        return answer.raise_for_status().json()

    for query in ({}, {"order": "least_sure"}):
        (item,) = asked("predictions", status="UNKNOWN_BREED", **query)["items"]
        assert (item["key"], item["novelty"]) == (KEY, 0.985)
    assert asked("summary")["counts"]["UNKNOWN_BREED"] == 1
    assert KEY in {each["key"] for each in asked("queue")["items"]}
    assert KEY not in {each["key"] for each in asked("predictions", breed="Pug")["items"]}
    said = {"version": item["version"], "verdict": "NEW_BREED", "breed": "Kromfohrlander"}
    review = f"{item['links']['self']}/review"
    assert person.http.put(review, headers=person.headers, json=said).status_code == 200
    assert KEY not in {each["key"] for each in asked("queue")["items"]}
    (item,) = asked("predictions", status="UNKNOWN_BREED", reviewed="true")["items"]
    assert item["review"]["breed"] == "Kromfohrlander"
