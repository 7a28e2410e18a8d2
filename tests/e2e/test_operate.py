"""`make release`, `make smoke` and `make destroy` on a local cloud, as somebody types them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.launch import Cloud
from rigs.photos import ROOT
from tests.e2e import commands

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
