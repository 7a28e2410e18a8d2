"""`make release`, `make smoke` and `make destroy` on a local cloud, as somebody types them."""

from __future__ import annotations

import json
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.launch import Cloud
from rigs.photos import ROOT
from tests.e2e import commands
from tests.unit.drift.days import darker, some

STACK = "watched"


@pytest.fixture(scope="module")
def released(cloud: Cloud, model: Path) -> dict[str, str]:
    """A stack that `make release` made: the outputs by name."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="models")
    for version in ("v1", "v2"):
        s3.upload_file(str(model), "models", f"{version}/model.tar.gz")
    done = commands.run(
        ["make", "release", f"STACK={STACK}", "MODEL_URL=s3://models/v1/model.tar.gz", "WATCH=0"],
        env=cloud.environment(),
    )
    assert f"stack {STACK} has this release" in done.stdout
    return cloud.outputs(STACK)


def stack(cloud: Cloud) -> dict[str, Any]:
    (found,) = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return dict(found)


def parameter(cloud: Cloud, name: str) -> str:
    values = {p["ParameterKey"]: p["ParameterValue"] for p in stack(cloud)["Parameters"]}
    return str(values[name])


def test_smoke_leaves_nothing_behind(cloud: Cloud, released: dict[str, str]) -> None:
    done = commands.run(["make", "smoke", f"STACK={STACK}"], env=cloud.environment())
    assert "NO_DOG" in done.stdout
    s3, bucket = cloud.client("s3"), released["BucketName"]
    versions = s3.list_object_versions(Bucket=bucket, Prefix="uploads/")
    assert not versions.get("Versions")
    assert not versions.get("DeleteMarkers")
    assert not s3.list_objects_v2(Bucket=bucket).get("Contents")
    assert cloud.client("dynamodb").scan(TableName=released["TableName"])["Count"] == 0


def test_smoke_says_what_the_row_says_when_it_is_not_what_was_asked_for(
    cloud: Cloud, released: dict[str, str], tmp_path: Path
) -> None:
    text = tmp_path / "rex.jpg"
    text.write_text("no photo")
    done = commands.run(
        ["make", "smoke", f"STACK={STACK}", f"PHOTO={text}"], 2, cloud.environment()
    )
    assert "the row says REJECTED" in done.stderr


def test_smoke_of_no_stack_is_used_wrongly(cloud: Cloud) -> None:
    done = commands.run(["make", "smoke", "STACK=nowhere"], 2, cloud.environment())
    assert "There is no stack nowhere here" in done.stderr


def test_release_goes_back_when_an_alarm_rings(cloud: Cloud, released: dict[str, str]) -> None:
    # GIVEN a release that is deployed and watched
    with subprocess.Popen(
        ["make", "release", f"STACK={STACK}", "MODEL_URL=s3://models/v2/model.tar.gz", "WATCH=5"],
        cwd=ROOT,
        env=cloud.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "watching the alarms" in line:
                assert parameter(cloud, "ModelDataUrl") == "s3://models/v2/model.tar.gz"
                # WHEN an alarm of the stack rings
                cloud.client("cloudwatch").set_alarm_state(
                    AlarmName=f"{STACK}-function-errors", StateValue="ALARM", StateReason="a test"
                )
    # THEN the stack is as it was, and answers
    words = "".join(said)
    assert process.returncode == 2, words
    assert f"alarm {STACK}-function-errors rings" in words
    assert f"Stack {STACK} is as it was before this release, and answers" in words
    assert parameter(cloud, "ModelDataUrl") == "s3://models/v1/model.tar.gz"


def test_watch_on_drift_says_in_words_what_has_changed_and_shows_it(
    cloud: Cloud, released: dict[str, str], tmp_path: Path
) -> None:
    # GIVEN a stack that is watched, two days like any other, and one that is darker
    commands.run(["make", "drift-watch", f"STACK={STACK}"], env=cloud.environment())
    chance, table = random.Random(3), cloud.resource("dynamodb").Table(released["TableName"])
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=n) for n in (3, 2, 1)]
    kinds = [some(chance, 550), some(chance, 550), darker(some(chance, 150))]
    for day, rows in zip(days, kinds, strict=True):
        with table.batch_writer() as writer:
            for number, row in enumerate(rows):
                place = {
                    "image_key": f"uploads/{day}/{number}.jpg",
                    "month_shard": f"{day:%Y-%m}#{number % 4}",
                    "classified_at": f"{day}T12:00:00.{number:06}Z",
                }
                writer.put_item(Item=row | place)
    # WHEN night comes
    answer = cloud.client("lambda").invoke(FunctionName=f"{STACK}-drift", Payload=b"{}")
    assert json.loads(answer["Payload"].read())[-1]["state"] == "drift"
    page = tmp_path / "drift.html"
    done = commands.run(["make", "drift", f"STACK={STACK}", f"OUT={page}"], env=cloud.environment())
    # THEN the last one's words are in the table, on the page, and counted
    assert "Photos have become darker" in done.stdout
    text = page.read_text(encoding="utf-8")
    assert "Photos have become darker" in text
    assert text.count(f"uploads/{days[2]}/") == 12
    found = cloud.client("cloudwatch").list_metrics(Namespace=STACK, MetricName="DriftFindings")
    assert found["Metrics"]
    item = (
        cloud.resource("dynamodb")
        .Table(f"{STACK}-drift")
        .get_item(Key={"kind": "day", "name": str(days[2])})["Item"]
    )
    assert [one["figure"] for one in item["findings"]] == ["brightness"]
    # AND after days that nobody looked at the table says so
    drift_table = cloud.resource("dynamodb").Table(f"{STACK}-drift")
    for back in (1, 2):
        drift_table.delete_item(Key={"kind": "day", "name": str(today - timedelta(days=back))})
    make_drift = ["make", "drift", f"STACK={STACK}", f"OUT={page}"]
    done = commands.run(make_drift, env=cloud.environment())
    assert "The newest day is 3 days old" in done.stdout
    # AND the baseline is begun anew on demand, once, also after a day without photos
    drift_table.put_item(Item=item | {"name": str(today), "photos": 0, "findings": []})
    drift_table.update_item(
        Key={"kind": "day", "name": str(today)}, UpdateExpression="REMOVE model_version"
    )
    done = commands.run([*make_drift, "FORGET=1"], env=cloud.environment())
    assert "the baseline of one is gone" in done.stdout
    done = commands.run([*make_drift, "FORGET=1"], 2, cloud.environment())
    assert "has no baseline of one" in done.stdout + done.stderr
    # AND a day to come is none
    tomorrow = today + timedelta(days=1)
    done = commands.run([*make_drift, f"DAY={tomorrow}"], 2, cloud.environment())
    assert "is still to come" in done.stdout + done.stderr
    # AND what was put beside the photos is away again
    with table.batch_writer() as writer:
        for row in table.scan(ProjectionExpression="image_key")["Items"]:
            writer.delete_item(Key=row)


def test_destroy_deletes_nothing_without_the_name(cloud: Cloud, released: dict[str, str]) -> None:
    done = commands.run(
        ["make", "destroy", f"STACK={STACK}", "CONFIRM=wached"], 2, cloud.environment()
    )
    assert "nothing was deleted" in done.stderr
    assert stack(cloud)["StackStatus"].endswith("_COMPLETE")


def test_destroy_keeps_data_until_it_is_told_otherwise(
    cloud: Cloud, released: dict[str, str]
) -> None:
    s3, bucket, table = cloud.client("s3"), released["BucketName"], released["TableName"]
    s3.put_object(Bucket=bucket, Key="uploads/kept.jpg", Body=b"no photo")
    s3.put_object(Bucket=bucket, Key="uploads/kept.jpg", Body=b"another")
    # WHEN the stack is destroyed
    done = commands.run(
        ["make", "destroy", f"STACK={STACK}", f"CONFIRM={STACK}"], env=cloud.environment()
    )
    # THEN what holds data is there, and named
    assert f"left: bucket {bucket}" in done.stdout
    assert f"left: table {table}" in done.stdout
    assert s3.list_object_versions(Bucket=bucket)["Versions"]
    with pytest.raises(ClientError, match="does not exist"):
        stack(cloud)
    sagemaker = cloud.client("sagemaker")
    assert not sagemaker.list_endpoints()["Endpoints"]
    assert not sagemaker.list_models()["Models"]
    assert not sagemaker.list_endpoint_configs()["EndpointConfigs"]
    # AND WHEN the data is to go as well
    commands.run(
        ["make", "destroy", f"STACK={STACK}", f"CONFIRM={STACK}", "DATA=delete"],
        env=cloud.environment(),
    )
    # THEN nothing is left, and that is said the next time
    assert bucket not in {item["Name"] for item in s3.list_buckets()["Buckets"]}
    assert table not in cloud.client("dynamodb").list_tables()["TableNames"]
    assert not sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    done = commands.run(
        ["make", "destroy", f"STACK={STACK}", f"CONFIRM={STACK}"], 2, cloud.environment()
    )
    assert f"There is no stack {STACK}" in done.stderr
