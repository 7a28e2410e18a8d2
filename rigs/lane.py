"""A stack with its lane of back-fills on a local cloud, and a small model that answers it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from local.children import descendants
from local.launch import ROOT, Cloud

ENDPOINT = "elsewhere"
UPLOADS = "uploads/"
_SERVING = Path(__file__).with_name("small_model.py")
_READY_S = 60


@dataclass(frozen=True)
class Lane:
    """The classifier's stack of a name, made with `deploy`, and the one beside it."""

    cloud: Cloud
    stack: str

    @cached_property
    def outputs(self) -> dict[str, str]:
        return self.cloud.outputs(self.stack)

    @property
    def bucket(self) -> str:
        return self.outputs["BucketName"]

    @property
    def lister(self) -> str:
        """The lister's function; there after the first `make backfill`."""
        return f"{self.stack}-backfill-lister"

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What is put into the bucket now, no event tells of."""
        s3 = self.cloud.client("s3")
        told = s3.get_bucket_notification_configuration(Bucket=self.bucket)
        told.pop("ResponseMetadata")
        s3.put_bucket_notification_configuration(Bucket=self.bucket, NotificationConfiguration={})
        yield
        s3.put_bucket_notification_configuration(Bucket=self.bucket, NotificationConfiguration=told)

    def rows(self, **scan: Any) -> Iterator[dict[str, Any]]:
        table = self.cloud.resource("dynamodb").Table(self.outputs["TableName"])
        page: dict[str, Any] = {}
        while True:
            page = table.scan(ConsistentRead=True, **scan, **page)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            page = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def configure(self, function: str, variables: Mapping[str, str]) -> None:
        """Some variables of a function's environment otherwise than the template has them."""
        api = self.cloud.client("lambda")
        given = api.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        api.update_function_configuration(
            FunctionName=function, Environment={"Variables": given | variables}
        )

    def workers(self, function: str) -> list[int]:
        """Process ids of a function's environments."""
        found = []
        for pid in descendants(self.cloud.pid or 0):
            with suppress(psutil.Error):
                if psutil.Process(pid).environ().get("AWS_LAMBDA_FUNCTION_NAME") == function:
                    found.append(pid)
        return found

    def kill(self, function: str) -> int:
        """kill -9 every environment of a function; how many there were."""
        pids = self.workers(function)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(pids)


def deploy(cloud: Cloud, stack: str, *parameters: str, build: bool = True) -> Lane:
    """The classifier's stack over an endpoint that is made apart, with `serve`."""
    words = " ".join((f"EndpointName={ENDPOINT}", *parameters))
    for command in (
        *([["make", "build"]] if build else []),
        ["make", "stack", f"STACK={stack}", f"PARAMETERS={words}"],
    ):
        subprocess.run(command, cwd=ROOT, env=cloud.environment(), check=True, capture_output=True)
    return Lane(cloud, stack)


def serve(cloud: Cloud, version: str, takes_s: float = 0) -> None:
    """The small model of this version answers from now on, each request in `takes_s`."""
    api, s3 = cloud.client("sagemaker"), cloud.client("s3")
    name = f"small-{version}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=_archive(version, takes_s))
    api.create_model(
        ModelName=name,
        ExecutionRoleArn="arn:aws:iam::123456789012:role/model",
        PrimaryContainer={"Image": "any", "ModelDataUrl": f"s3://{name}/model.tar.gz"},
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name}
    instances = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    api.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant | instances])
    known = {one["EndpointName"] for one in api.list_endpoints()["Endpoints"]}
    change = api.update_endpoint if ENDPOINT in known else api.create_endpoint
    change(EndpointName=ENDPOINT, EndpointConfigName=name)
    deadline = time.monotonic() + _READY_S
    while True:
        told = api.describe_endpoint(EndpointName=ENDPOINT)
        if told["EndpointStatus"] == "InService" and told["EndpointConfigName"] == name:
            return
        if told["EndpointStatus"] == "Failed" or time.monotonic() > deadline:
            raise RuntimeError(f"the endpoint is {told['EndpointStatus']}")
        time.sleep(0.1)


def _archive(version: str, takes_s: float) -> bytes:
    files = {
        "code/serving/__main__.py": _SERVING.read_bytes(),
        "version": version.encode(),
        "takes_s": str(takes_s).encode(),
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def photo(number: int) -> bytes:
    """A small JPEG, another one for every number."""
    out = io.BytesIO()
    picture = Image.new("RGB", (48, 48), (number % 256, number // 256 % 256, 90))
    picture.putpixel((number % 48, number // 48 % 48), (255, 255, 255))
    picture.save(out, "JPEG", comment=str(number))
    return out.getvalue()
