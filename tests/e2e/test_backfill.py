"""`make backfill` and `make reclassify` on a local cloud, as somebody types them."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from lister.job import PHOTOS, Job

from backfill import jobs
from local.launch import Cloud
from rigs import lane as lanes
from rigs.lane import UPLOADS, Lane, photo
from rigs.photos import ROOT
from tests import scaling
from tests.e2e import commands
from tests.schemas import check
from tests.waiting import wait_until

STACK, ARCHIVE = "kennel", "archive-of-2019"
LIVE, OWN, FOREIGN, TEXTS, MANY = 5, 80, 40, 3, 400
# What a killed function's messages wait for; 360 s as deployed.
VISIBILITY_S = 3


@pytest.fixture(scope="module")
def lane(cloud: Cloud) -> Lane:
    """A stack with some live uploads answered, and both buckets full of what no event told of."""
    lanes.serve(cloud, "1")
    parameters = (f"BackfillBucket={ARCHIVE}", "MaxConcurrency=2")
    lane = lanes.deploy(cloud, STACK, *parameters)
    cloud.client("sqs").set_queue_attributes(
        QueueUrl=lane.outputs["BackfillQueueUrl"],
        Attributes={"VisibilityTimeout": str(VISIBILITY_S)},
    )
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=ARCHIVE)
    for number in range(LIVE):
        s3.put_object(Bucket=lane.bucket, Key=f"{UPLOADS}live/{number}.jpg", Body=photo(number))
    with lane.unseen():
        for number in range(OWN):
            key = f"{UPLOADS}old/ü {number:03}.jpg"
            s3.put_object(Bucket=lane.bucket, Key=key, Body=photo(1000 + number))
    for number in range(FOREIGN):
        s3.put_object(Bucket=ARCHIVE, Key=f"dogs/{number:03}.jpg", Body=photo(2000 + number))
    for number in range(TEXTS):
        s3.put_object(Bucket=ARCHIVE, Key=f"dogs/{number}.txt", Body=b"no photo")
    wait_until(lambda: len(list(lane.rows())) == LIVE)
    return lane


def make(lane: Lane, target: str, *arguments: str, expect: int = 0) -> str:
    command = ["make", target, f"STACK={STACK}", *arguments]
    done = commands.run(command, expect, lane.cloud.environment())
    return done.stdout + done.stderr


def started(lane: Lane, *arguments: str) -> subprocess.Popen[str]:
    """`make backfill`, at work."""
    return subprocess.Popen(
        ["make", "backfill", f"STACK={STACK}", *arguments],
        cwd=ROOT,
        env=lane.cloud.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def rows_of(lane: Lane, start: str) -> list[dict[str, Any]]:
    return [row for row in lane.rows() if row["image_key"].startswith(start)]


def test_nothing_starts_without_a_word(lane: Lane) -> None:
    said = make(lane, "backfill", f"FROM=s3://{ARCHIVE}/", expect=2)
    # The dry run is there all the same.
    assert f"{FOREIGN + TEXTS}" in said
    assert ".jpg 40, .txt 3" in said
    assert "RATE=" in said
    assert "YES=1 starts without" in said
    assert len(list(lane.rows())) == LIVE


def test_bucket_without_permission_is_told_how_to_get_it(lane: Lane) -> None:
    lane.cloud.client("s3").create_bucket(Bucket="somebody-else-s")
    said = make(lane, "backfill", "FROM=s3://somebody-else-s/", "YES=1", expect=2)
    assert "PARAMETERS=BackfillBucket=somebody-else-s" in said


def test_no_job_is_told(lane: Lane) -> None:
    assert "no job here" in make(lane, "backfill", "STATUS=1", expect=2)


def test_photos_of_another_bucket_are_answered_where_they_are(lane: Lane, tmp_path: Path) -> None:
    said = make(
        lane, "backfill", f"FROM=s3://{ARCHIVE}/dogs/", "YES=1", "RATE=50", f"OUT={tmp_path}"
    )
    rows = rows_of(lane, f"s3://{ARCHIVE}/")
    for row in rows:
        check("row", row)
    counts = Counter(row["status"] for row in rows)
    assert counts == {"CLASSIFIED": FOREIGN, "REJECTED": TEXTS}
    # And what was rejected, and why.
    assert "NOT_AN_IMAGE" in said
    (told,) = tmp_path.rglob("rejected.csv")
    assert len(told.read_text().splitlines()) == 1 + TEXTS
    # A second one finds nothing to do.
    assert "nothing to answer" in make(lane, "backfill", f"FROM=s3://{ARCHIVE}/dogs/", "YES=1")


def test_stopped_resumed_and_killed_it_leaves_one_row_for_every_object(lane: Lane) -> None:
    # GIVEN pages so small, and waits so long, that there is time to stop between them
    lane.configure(lane.lister, {"PAGE_SIZE": "10", "MOST_WAITING": "20", "WAIT_S": "300"})
    states = lane.cloud.client("stepfunctions")

    def running() -> int:
        arn = lane.cloud.outputs(f"{STACK}-backfill")["StateMachineArn"]
        listed = states.list_executions(stateMachineArn=arn, statusFilter="RUNNING")
        return len(listed["executions"])

    old = f"{UPLOADS}old/"

    def wait_for_more(count: int) -> None:
        least = min(OWN, len(rows_of(lane, old)) + count)
        wait_until(lambda: len(rows_of(lane, old)) >= least)

    with started(lane, f"FROM=s3://{lane.bucket}/{UPLOADS}", "YES=1") as process:
        wait_for_more(10)
        # WHEN it is stopped
        said = make(lane, "backfill", "STOP=1")
        output, _ = process.communicate(timeout=60)
    assert "stopped" in said, output
    assert process.returncode == 0, output
    assert running() == 0
    assert len(rows_of(lane, old)) < OWN
    lane.configure(lane.lister, {"WAIT_S": "1"})
    # AND goes on, while its function and the one that answers are killed
    with started(lane, "RESUME=1") as process:
        killed = 0
        for part in (1, 2):
            killed += lane.kill(lane.lister) + lane.kill(lane.outputs["FunctionName"])
            wait_for_more(10 * part)
        output, _ = process.communicate(timeout=120)
    # THEN every object has its row, once
    assert process.returncode == 0, output
    assert killed >= 2
    rows = rows_of(lane, UPLOADS)
    assert len(rows) == LIVE + OWN
    for row in rows:
        check("row", row)
        assert "answered" not in row
        assert ("backfill" in row) == row["image_key"].startswith(old)
    assert f"{LIVE + OWN} of {LIVE + OWN}" in make(lane, "backfill", "STATUS=1")


def test_execution_goes_on_as_another_before_aws_s_limit(lane: Lane) -> None:
    # GIVEN a job whose execution has taken as many turns as it may, but one
    states = lane.cloud.client("stepfunctions")
    machine = lane.cloud.outputs(f"{STACK}-backfill")["StateMachineArn"]
    job = Job("photos-long", PHOTOS, bucket=lane.bucket, prefix=UPLOADS, turns=1999)
    lane.configure(lane.lister, {"PAGE_SIZE": "5"})
    # WHEN it takes that one
    states.start_execution(
        stateMachineArn=machine, name="photos-long-1", input=json.dumps(job.to_json())
    )

    # THEN its second part ends it
    def ended() -> jobs.Run | None:
        found = jobs.find(states, machine)
        return found if found and found.state == "finished" else None

    run = wait_until(ended)
    assert run.arn.endswith(":photos-long-2")
    assert (run.job.part, run.job.turns) == (2, 1)
    assert (run.job.counts.seen, run.job.counts.sent) == (LIVE + OWN, 0)


def test_rows_are_answered_again_and_every_review_stands(lane: Lane, tmp_path: Path) -> None:
    # GIVEN reviews of some rows, and another model
    table = lane.cloud.resource("dynamodb").Table(lane.outputs["TableName"])
    before = {row["image_key"]: row for row in lane.rows()}
    reviewed = [key for key, row in before.items() if row["status"] == "CLASSIFIED"][::10]
    for key in reviewed:
        table.update_item(
            Key={"image_key": key},
            UpdateExpression="SET review = :r, reviewed_in = :m, reviewed_at = :t, "
            "last_review = :i, confidence_key = :k",
            ExpressionAttributeValues={
                ":r": {"id": "i", "verdict": "RIGHT", "by": "ann", "at": "2026-11-26"},
                ":m": "2026-11",
                ":t": "2026-11-26T00:00:00.000000Z",
                ":i": "i",
                ":k": before[key]["confidence_key"].replace("open#", "done#"),
            },
        )
    lanes.serve(lane.cloud, "2")
    lane.configure(lane.lister, {"PAGE_SIZE": "100", "MOST_WAITING": "1000"})
    # WHEN what the older one answered is answered again
    said = make(lane, "reclassify", "YES=1", f"OUT={tmp_path}")
    # THEN every row's version is new and every review stands
    after = {row["image_key"]: row for row in lane.rows()}
    assert after.keys() == before.keys()
    answered = [key for key, row in before.items() if row["status"] != "REJECTED"]
    for key in answered:
        check("row", after[key])
        assert after[key]["model_version"] == "small-2"
        assert after[key]["answered"] == 2
        assert after[key]["classified_at"] == before[key]["classified_at"]
        assert after[key]["previous"]["breed"] == before[key]["breed"]
    for key in reviewed:
        assert after[key]["review"]["verdict"] == "RIGHT"
        assert after[key]["reviewed_at"] == "2026-11-26T00:00:00.000000Z"
    # AND the report says how many changed, and shows them
    changed = sum(after[key]["breed"] != before[key]["breed"] for key in answered)
    assert 0.1 < changed / len(answered) < 0.45
    assert f"{changed} of {len(answered)} labels changed" in said
    (page,) = tmp_path.rglob("changes.html")
    assert page.read_text().count("data:image/jpeg;base64,") == changed
    # AND there is nothing left to do
    assert "nothing to answer" in make(lane, "reclassify", "YES=1")
    assert "BELOW=7" in make(lane, "reclassify", "BELOW=7", expect=2)


def test_instances_follow_a_back_fill_and_go_once_it_is_over(lane: Lane) -> None:
    # GIVEN an endpoint that may have one to three instances, tracked as the template's is
    lanes.serve(lane.cloud, "3", takes_s=0.25)
    autoscaling, sagemaker = (
        lane.cloud.client(service) for service in ("application-autoscaling", "sagemaker")
    )
    target = scaling.target(lanes.ENDPOINT)
    autoscaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=3)
    autoscaling.put_scaling_policy(
        **target,
        PolicyName="requests-per-instance",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 60,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        },
    )

    def instances() -> int:
        return scaling.instances(sagemaker, lanes.ENDPOINT)

    s3 = lane.cloud.client("s3")
    for number in range(MANY):
        s3.put_object(Bucket=ARCHIVE, Key=f"many/{number:03}.jpg", Body=photo(3000 + number))
    assert instances() == 1
    # WHEN only the lane has something to answer
    with started(lane, f"FROM=s3://{ARCHIVE}/many/", "YES=1") as process:
        # THEN instances come with it
        wait_until(lambda: instances() > 1)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert len(rows_of(lane, f"s3://{ARCHIVE}/many/")) == MANY
    # AND go after it
    wait_until(lambda: instances() == 1)
