"""The real template on a local cloud: deployed with sam, its table read back with boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from local.launch import ROOT, Cloud
from tours.demo import report
from tours.steps import Steps

STACK = "breed-classifier"
MODEL_BUCKET = "breed-classifier-models"
PREFIX = "uploads/"
# The template's default suits an endpoint on an instance of its own. Here function and endpoint
# share the machine: two functions keep it busy, more would only start slower.
LOCAL_CONCURRENCY = 2
LOCAL_PARAMETERS = f"MaxConcurrency={LOCAL_CONCURRENCY}"


def deploy(cloud: Cloud, steps: Steps, model: Path, runtime: str) -> dict[str, str]:
    """Build and deploy the real template with the real tools; the stack's outputs by name."""
    env = cloud.environment()
    steps.run("sam build", ["make", "build"], env, ROOT)
    url = f"s3://{MODEL_BUCKET}/{model.name}"
    steps.run("aws s3 mb", ["aws", "s3", "mb", f"s3://{MODEL_BUCKET}"], env, ROOT)
    steps.run(
        "aws s3 cp model.tar.gz", ["aws", "s3", "cp", "--no-progress", str(model), url], env, ROOT
    )
    steps.run(
        "sam deploy (bucket, queue, function, table, endpoint)",
        [
            *("make", "stack", f"STACK={STACK}", f"MODEL_URL={url}"),
            *(f"FUNCTION_RUNTIME={runtime}", f"PARAMETERS={LOCAL_PARAMETERS}"),
        ],
        env,
        ROOT,
    )
    return cloud.outputs(STACK)


def read_rows(table: Any) -> list[dict[str, Any]]:
    """Every item of the table, in the order of their keys."""
    items: list[dict[str, Any]] = []
    page: dict[str, Any] = {}
    while True:
        page = table.scan(ConsistentRead=True, **page)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return sorted((report.plain(item) for item in items), key=lambda row: row["image_key"])
        page = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
