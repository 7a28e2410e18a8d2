"""`make deploy` of a second model while requests keep coming: none is dropped, and rows change over
to the new model.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
import tarfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.config import Config

from local.launch import Cloud
from rigs.photos import pictures
from serving.package import Manifest, write_archive
from tests.e2e import commands
from tests.e2e.drawings import draw
from tests.waiting import wait_until
from tours.stack import LOCAL_PARAMETERS, PREFIX, STACK

DEPLOY_S = 300
BREEDS = {"Beagle": "circle", "Pug": "square", "Whippet": "star"}
CALLERS = 2
PAUSE_S = 5.0


def _other_model(model: Path, path: Path) -> str:
    """Write `model` with another threshold, which is another model; its version."""
    with tarfile.open(model) as archive:
        files = {
            member.name: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
    manifest = Manifest.from_json(files["manifest.json"].decode())
    assert manifest.dog_score is not None
    other = dataclasses.replace(
        manifest, dog_score=dataclasses.replace(manifest.dog_score, threshold=0.05)
    )
    assert other.version != manifest.version
    write_archive(path, files | {"manifest.json": other.to_json().encode()})
    return other.version


def _deploy(cloud: Cloud, model: Path) -> None:
    parameters = f"{LOCAL_PARAMETERS} InstanceCount=2"  # so that a canary goes first
    _make(cloud, "deploy", f"MODEL={model}", f"PARAMETERS={parameters}", "WHY=it's new")


def _make(cloud: Cloud, *words: str) -> str:
    return commands.run(["make", *words], env=cloud.environment(), timeout_s=DEPLOY_S).stdout


class Load:
    """Callers of InvokeEndpoint that never pause and never try twice.

    `failures` leaves out requests during which this very process did not run for PAUSE_S: a virtual
    machine that stands still makes every deadline pass, whatever is deployed meanwhile.
    """

    def __init__(self, cloud: Cloud, photo: str) -> None:
        self._cloud = cloud
        self._photo = json.dumps({"instances": [{"b64": photo}]}).encode()
        self._stop = threading.Event()
        self.answers: Counter[str] = Counter()
        self._failed: list[tuple[float, float, str]] = []
        self._pauses: list[tuple[float, float]] = []
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        self._threads.append(threading.Thread(target=self._watch_the_clock))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failures(self) -> list[str]:
        return [
            words
            for start, end, words in self._failed
            if not any(start < resumed and paused < end for paused, resumed in self._pauses)
        ]

    def _call(self) -> None:
        once = Config(retries={"total_max_attempts": 1})
        runtime = self._cloud.client("sagemaker-runtime", config=once)
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=STACK, ContentType="application/json", Body=self._photo
                )
                self.answers[json.loads(answer["Body"].read())["model"]["version"]] += 1
            except Exception as error:  # noqa: BLE001 - whatever a caller sees is a dropped request
                self._failed.append((start, time.monotonic(), repr(error)))

    def _watch_the_clock(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.1):
            now = time.monotonic()
            if now - last > PAUSE_S:
                self._pauses.append((last, now))
            last = now


def _row(cloud: Cloud, outputs: dict[str, str], name: str, photo: bytes) -> dict[str, Any]:
    """The row of a photo uploaded under `name`."""
    key = PREFIX + name
    cloud.client("s3").put_object(Bucket=outputs["BucketName"], Key=key, Body=photo)
    table = cloud.resource("dynamodb").Table(outputs["TableName"])
    row: dict[str, Any] = wait_until(lambda: table.get_item(Key={"image_key": key}).get("Item"))
    return row


def test_second_deploy_under_load_drops_nothing_and_rows_carry_the_new_version(
    cloud: Cloud, model: Path, tmp_path: Path
) -> None:
    # GIVEN a deployed model, and a second one
    with tarfile.open(model) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        first = json.loads(manifest.read())["version"]
    second = _other_model(model, tmp_path / "model.tar.gz")
    photo = pictures(tmp_path / "photos", 1)[0]
    _deploy(cloud, model)
    outputs = cloud.outputs(STACK)
    assert _row(cloud, outputs, "before.jpg", photo)["model_version"] == first
    sagemaker = cloud.client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName=STACK)["EndpointConfigName"]
    # WHEN the second is deployed while callers never pause
    with Load(cloud, base64.b64encode(photo).decode()) as load:
        wait_until(lambda: load.answers[first] > 0)
        _deploy(cloud, tmp_path / "model.tar.gz")
        wait_until(lambda: load.answers[second] > 0)
    # THEN every request was answered, by one or the other, and new rows are the second one's
    print(load.answers)
    assert not load.failures, "\n".join(load.failures)
    assert set(load.answers) == {first, second}
    assert _row(cloud, outputs, "after.jpg", photo)["model_version"] == second
    # AND both are in the history, newest first, and a row leads to its deployment
    newest, oldest = _make(cloud, "history").splitlines()[-2:]
    assert f"model {second}, before it {first}, by arn:aws:" in newest
    assert newest.endswith(": it's new")
    assert f"model {first}, by arn:aws:" in oldest
    story = _make(cloud, "why", "KEY=uploads/after.jpg")
    assert f"model          {second}" in story
    assert newest.split()[0] in story
    # AND what a rollback would go back to is still there, and the new fleet has alarms of its own
    described = sagemaker.describe_endpoint(EndpointName=STACK)
    after, policy = described["EndpointConfigName"], described["LastDeploymentConfig"]
    assert after != before
    routing = policy["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == "CANARY"
    (variant,) = sagemaker.describe_endpoint_config(EndpointConfigName=before)["ProductionVariants"]
    assert sagemaker.describe_model(ModelName=variant["ModelName"])
    alarms = cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{STACK}-new-fleet-")
    assert {a["AlarmName"] for a in alarms["MetricAlarms"]} == {
        f"{STACK}-new-fleet-errors-{after}",
        f"{STACK}-new-fleet-latency-{after}",
    }
    # AND the template's other parameters kept their values
    parameters = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0][
        "Parameters"
    ]
    values = {item["ParameterKey"]: item["ParameterValue"] for item in parameters}
    assert values["MaxConcurrency"] == "2"


def _trained(cloud: Cloud, package: Path, out: Path) -> str:
    """A folder as `make train` leaves it, of a package that was deployed; the model's version."""
    out.mkdir()
    shutil.copy(package, out / "model.tar.gz")
    with tarfile.open(package) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        version: str = json.loads(manifest.read())["version"]
    log = cloud.resource("dynamodb").Table(f"{STACK}-deployments").scan()["Items"]
    (data,) = {item["model_data"] for item in log if item["model_version"] == version}
    result = {
        "job": f"dogs-train-{out.name}",
        "model_data": data,
        "model_version": version,
        "hyperparameters": {"lr": "0.03"},
        "rules": {},
        "metrics": {"test:accuracy": 0.84},
        "seconds": 60.0,
        "billable_seconds": 60,
        "git_commit": "0" * 40,
    }
    (out / "train.json").write_text(json.dumps(result))
    return version


def test_approving_an_older_model_again_goes_back_to_it_under_load(
    cloud: Cloud, model: Path, tmp_path: Path
) -> None:
    # GIVEN the two models of the test before, both registered, the second approved and serving
    _other_model(model, tmp_path / "other.tar.gz")
    first = _trained(cloud, model, tmp_path / "first")
    second = _trained(cloud, tmp_path / "other.tar.gz", tmp_path / "second")
    for name in ("first", "second"):
        assert "pending" in _make(cloud, "register", f"OUT={tmp_path / name}")
    _make(cloud, "approve", "WHY=it wins")
    photo = pictures(tmp_path / "photos", 1)[0]
    with Load(cloud, base64.b64encode(photo).decode()) as load:
        wait_until(lambda: load.answers[second] > 0)
        # WHEN the first is approved, and whatever was approved last is deployed
        _make(cloud, "approve", "VERSION=1", "WHY=the second is too sure")
        _make(cloud, "deploy", f"PARAMETERS={LOCAL_PARAMETERS}", "WHY=back")
        wait_until(lambda: load.answers[first] > 0)
    # THEN no request was dropped, and new rows are the first one's
    assert not load.failures, "\n".join(load.failures)
    outputs = cloud.outputs(STACK)
    assert _row(cloud, outputs, "back.jpg", photo)["model_version"] == first
    # AND a row leads to the training, the approval and the deployment
    story = _make(cloud, "why", "KEY=uploads/back.jpg")
    for words in ("dogs-train-first", "the second is too sure", "back", "0" * 40):
        assert words in story, story


def _drawn(root: Path) -> Path:
    """A data set of drawings under names of breeds that the starter knows; with test photos enough
    for a verdict, and validation photos enough for a temperature.
    """
    for split, count in (("train", 40), ("valid", 36), ("test", 34)):
        for breed, shape in BREEDS.items():
            folder = root / split / breed
            folder.mkdir(parents=True)
            for number in range(count):
                draw(shape, f"{split} {number}").save(folder / f"{number}.jpg", quality=92)
    return root


def _shuffle_a_fifth(root: Path) -> None:
    """Of the photos of train and valid, which change their folders in a circle."""
    for split in ("train", "valid"):
        folders = [root / split / breed for breed in BREEDS]
        for folder, other in zip(folders, [*folders[1:], folders[0]], strict=True):
            photos = sorted(folder.glob("[0-9]*.jpg"), key=lambda path: int(path.stem))
            for path in photos[: len(photos) // 5]:
                path.rename(other / f"was-{folder.name}-{path.name}")


def test_improve_registers_a_good_challenger_and_refuses_one_of_shuffled_labels(
    cloud: Cloud, model: Path, tmp_path: Path
) -> None:
    # GIVEN a stack, and photos that its model answers badly
    cloud.client("s3").create_bucket(Bucket="drawn")
    data = _drawn(tmp_path / "data")
    words = [
        "improve", f"DATA={data}", "MADE=1", "TO=s3://drawn/data",
        "SET=hyperparameters.backbone=efficientnet_lite0 hyperparameters.epochs=6",
    ]  # fmt: skip
    sagemaker = cloud.client("sagemaker")

    def registered() -> list[str]:
        found = sagemaker.list_model_packages(ModelPackageGroupName=STACK)
        return [one["ModelPackageArn"] for one in found["ModelPackageSummaryList"]]

    before = len(registered())
    # WHEN a challenger is trained on them
    good = tmp_path / "good"
    told = _make(cloud, *words, f"CHAMPION={model}", f"OUT={good}")
    # THEN it wins, and waits in the registry for a person
    assert "better: Better: " in told
    assert "pending" in told
    assert len(registered()) == before + 1
    # AND WHEN the next one's labels are shuffled for a fifth of its photos
    _shuffle_a_fifth(data)
    more = [f"CHAMPION={good / 'model.tar.gz'}", f"OUT={tmp_path / 'bad'}", "LEAST=0"]
    done = commands.run(["make", *words, *more], 2, env=cloud.environment(), timeout_s=DEPLOY_S)
    # THEN it is refused, in words, and nothing is registered
    assert "refused: Its training labels contradict it" in done.stdout
    assert "Nothing is registered." in done.stdout
    assert len(registered()) == before + 1
    # AND WHEN the good one answers what was served, before anybody approves it
    _row(cloud, cloud.outputs(STACK), "shadowed.jpg", pictures(tmp_path / "photos", 1)[0])
    told = _make(cloud, "shadow", f"OUT={tmp_path / 'shadow'}")
    # THEN its answers are laid beside those of the rows
    assert "(PendingManualApproval) answers " in told
    assert "same answer: " in told
    assert "left out" not in told
    assert (tmp_path / "shadow" / "shadow.html").stat().st_size > 0
