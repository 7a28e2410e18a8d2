"""`register`, `approve`, `history` and `why`: which model served when, and by whose word."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from training.jobs import artefacts, registry, stack
from training.jobs.channels import split_uri
from training.jobs.deployments import Item, Log, day_of, serving_at, serving_on, stamp
from training.jobs.errors import CommandError, UsageError
from training.jobs.stack import Stack

if TYPE_CHECKING:  # it imports the SageMaker SDK
    from training.jobs.train import TrainedJob

Client = Callable[[str], Any]
Say = Callable[[str], None]
Json = dict[str, Any]
_METRICS = "metrics.json"


def register(client: Client, deployed: Stack, trained: TrainedJob, package: Path) -> str:
    """Put what `train` made into the stack's registry, pending; the package's ARN.

    Its metrics go beside the model in S3. Raises UsageError, CommandError.
    """
    manifest = artefacts.read_manifest(package)
    if manifest["version"] != trained.model_version:
        raise UsageError(
            f"{package} holds model {manifest['version']}, the training job made "
            f"{trained.model_version}. Name the OUT folder of one training."
        )
    origin = manifest.get("origin", {})
    last = _log(client, deployed).all()
    metrics = f"{trained.model_data.rpartition('/')[0]}/{_METRICS}"
    bucket, key = split_uri(metrics)
    client("s3").put_object(
        Bucket=bucket, Key=key, Body=json.dumps(trained.metrics, indent=2).encode()
    )
    facts = {
        "model_version": trained.model_version,
        "training_job": trained.job,
        "data_version": origin.get("data_version"),
        "dataset_hash": origin.get("data_sha256"),
        "git_commit": origin.get("git_commit") or trained.git_commit,
        "champion": last[0]["model_version"] if last else None,
    } | {f"metric.{name}": value for name, value in trained.metrics.items()}
    image = stack.served_container(client("sagemaker"), deployed.endpoint)["Image"]
    return registry.register(
        client("sagemaker"), deployed.name, image, trained.model_data, facts, metrics
    )


def approve(client: Client, group: str, number: int | None, why: str) -> registry.Version:
    """Approve that version, or the newest pending one. Raises UsageError."""
    version = registry.chosen(client("sagemaker"), group, number)
    registry.approve(client("sagemaker"), version, caller(client), why)
    return version


def record(client: Client, deployed: Stack, model_data: str, why: str) -> Item:
    """Write down that the stack serves `model_data` now. Raises CommandError, UsageError."""
    log = _log(client, deployed)
    before = log.all()
    manifest = _manifest(client("s3"), model_data)
    origin = manifest.get("origin", {})
    version = registry.of_model_data(client("sagemaker"), deployed.name, model_data)
    known: Mapping[str, str] = version.properties if version else {}
    metrics = {
        name.removeprefix("metric."): value
        for name, value in known.items()
        if name.startswith("metric.")
    }
    return log.add(
        {
            "model_version": manifest["version"],
            "from_version": before[0]["model_version"] if before else None,
            "model_data": model_data,
            "model_package_arn": version.arn if version else None,
            "by": caller(client),
            "why": why,
            "labels": manifest.get("labels"),
            "metrics": metrics or origin.get("metrics"),
            "data_version": known.get("data_version") or origin.get("data_version"),
            "training_job": known.get("training_job") or origin.get("training_job"),
        }
    )


def history(client: Client, deployed: Stack, at: str | None, say: Say) -> None:
    """Every deployment, newest first, or those that served on the day `at`, and how right they
    were.
    """
    items = _log(client, deployed).all()
    if at is not None:
        items = serving_on(items, day_of(at))
    if not items:
        say("No deployment is recorded" + (f" for {at}." if at else "."))
    for item in items:
        was = f", before it {item['from_version']}" if "from_version" in item else ""
        why = f": {item['why']}" if "why" in item else ""
        say(f"{item['at']}  model {item['model_version']}{was}, by {item['by']}{why}")
    if at is None:
        return
    for version in dict.fromkeys(item["model_version"] for item in items):
        sample, right = reviewed(client("dynamodb"), deployed.table, version)
        if sample:
            say(f"model {version}: {right} of {sample} reviewed photos of the random sample right")
        else:
            say(f"model {version}: no photo of the random sample is reviewed yet")


def reviewed(dynamodb: Any, table: str, model_version: str) -> tuple[int, int]:
    """Of the model's reviewed photos of the random sample: how many, and how many were right.

    A review of an answer that was replaced since counts for the model that it was about. Reads the
    whole index of reviewed photos.
    """
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        IndexName="reviewed",
        FilterExpression="#sample = :yes AND (#review.#answer.model_version = :version"
        " OR (attribute_not_exists(#review.#answer) AND model_version = :version))",
        ExpressionAttributeNames={"#sample": "sample", "#review": "review", "#answer": "answer"},
        ExpressionAttributeValues={":version": {"S": model_version}, ":yes": {"BOOL": True}},
    )
    rows = [_plain(row) for page in pages for row in page["Items"]]
    judged = [row for row in rows if row["review"]["verdict"] != "UNSURE"]
    return len(judged), sum(_is_right(row) for row in judged)


def _is_right(row: Item) -> bool:
    """As the API's reviewing.py counts it."""
    verdict, answer = str(row["review"]["verdict"]), row["review"].get("answer", row)
    same = {"NO_DOG": "NO_DOG", "UNKNOWN_BREED": "NEW_BREED"}.get(str(answer["status"]))
    return verdict in ("RIGHT", same)


def why(client: Client, deployed: Stack, key: str, say: Say) -> None:
    """From a row to the model, its training, its approval and its deployment.

    Raises UsageError where there is no such row.
    """
    found = client("dynamodb").get_item(
        TableName=deployed.table, Key={"image_key": {"S": key}}, ConsistentRead=True
    )
    if "Item" not in found:
        raise UsageError(f"There is no row of {key} in table {deployed.table}.")
    row = _plain(found["Item"])
    answer = f" {row['breed']}, confidence {row['confidence']}" if "breed" in row else ""
    say(f"photo          {key}: {row['status']}{answer}, at {row['classified_at']}")
    version = row.get("model_version")
    if version is None:
        say("model          none answered it")
        return
    say(f"model          {version}")
    items = _log(client, deployed).all()
    # The first stamp is after SageMaker moved the traffic: rows of the minutes before count too.
    item = serving_at(
        [each for each in items if each["model_version"] == version], row["classified_at"]
    ) or next((each for each in items if each["model_version"] == version), None)
    if item is None:
        say("deployment     not recorded: it was deployed before records were kept, or by hand")
    else:
        reason = f": {item['why']}" if "why" in item else ""
        say(f"deployment     {item['at']} by {item['by']}{reason}")
    _tell_package(client, deployed.name, version, item or {}, say)


def _tell_package(client: Client, group: str, version: str, item: Item, say: Say) -> None:
    packages = registry.versions(client("sagemaker"), group)
    package = next((each for each in packages if each.model_version == version), None)
    known: Mapping[str, Any] = package.properties if package else {}
    job = known.get("training_job") or item.get("training_job")
    say(f"training job   {job or 'not recorded'}")
    if job and (hyperparameters := _hyperparameters(client("sagemaker"), job)):
        words = ", ".join(f"{name}={value}" for name, value in sorted(hyperparameters.items()))
        say(f"hyperparameters {words}")
    say(f"code           {known.get('git_commit') or 'not recorded'}")
    data = known.get("data_version") or item.get("data_version") or known.get("dataset_hash")
    say(f"data set       {data or 'not recorded'}")
    metrics = item.get("metrics") or {
        name.removeprefix("metric."): value
        for name, value in known.items()
        if name.startswith("metric.")
    }
    words = ", ".join(f"{name}={value}" for name, value in sorted(metrics.items()))
    say(f"metrics        {words or 'not recorded'}")
    if package is None:
        say("approval       not in the registry")
        return
    who = known.get("approved_by", "in the console, or not by `make approve`")
    when = known.get("approved_at") or stamp(package.changed)
    reason = f": {package.description}" if package.description else ""
    words = f"{package.status} by {who} at {when}{reason}"
    said = words if package.status == registry.APPROVED else package.status
    say(f"approval       version {package.number} of {group}: {said}")


def _hyperparameters(sagemaker: Any, job: str) -> Mapping[str, str]:
    """None where SageMaker does not know the job (any more)."""
    try:
        described: Json = sagemaker.describe_training_job(TrainingJobName=job)
    except ClientError as error:
        if "not found" not in str(error).lower() and "not exist" not in str(error).lower():
            raise
        return {}
    given: Mapping[str, str] = described.get("HyperParameters", {})
    return {name: value for name, value in given.items() if not name.startswith("sagemaker_")}


def caller(client: Client) -> str:
    """Who deploys or approves, as STS knows them."""
    return str(client("sts").get_caller_identity()["Arn"])


def _log(client: Client, deployed: Stack) -> Log:
    if not deployed.deployments:
        raise CommandError(
            f"Stack {deployed.name} has no table of deployments: it is of an earlier template. "
            "`make deploy` brings it up to this one."
        )
    return Log(client("dynamodb"), deployed.deployments, deployed.name)


def _manifest(s3: Any, model_data: str) -> Json:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / artefacts.MODEL
        artefacts.download(s3, model_data, package)
        return artefacts.read_manifest(package)


def _plain(row: Mapping[str, Any]) -> Item:
    read = TypeDeserializer()
    return {name: read.deserialize(value) for name, value in row.items()}
