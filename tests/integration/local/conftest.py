"""A running cloud for the whole session, and the pieces that make an endpoint in it."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.launch import ROOT, Cloud
from local.settings import DEFAULT_JOB_PYTHON
from tests.integration.local.training import Training
from tests.waiting import wait_until

ROLE = "arn:aws:iam::123456789012:role/model"
JOB_PYTHON = ROOT / DEFAULT_JOB_PYTHON
_SERVING = Path(__file__).with_name("fake_serving.py")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud") / "state").running() as cloud:
        yield cloud


def archive(marker: str | None = "first", extra: dict[str, bytes] | None = None) -> bytes:
    """A model.tar.gz whose serving room answers with `marker`, and does not start without one."""
    files = {"code/serving/__main__.py": _SERVING.read_bytes(), **(extra or {})}
    if marker is not None:
        files["marker"] = marker.encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


class SageMaker:
    """Endpoints made with unmodified boto3; names are made up so that tests share one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.api = cloud.client("sagemaker")
        self.runtime = cloud.client("sagemaker-runtime")
        self._s3 = cloud.client("s3")

    def config(self, package: bytes, **variant: Any) -> str:
        """The name of an endpoint configuration with one variant over one new model."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self._s3.create_bucket(Bucket=name)
        self._s3.put_object(Bucket=name, Key="model.tar.gz", Body=package)
        self.api.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": "any",
                "ModelDataUrl": f"s3://{name}/model.tar.gz",
                "Environment": {"COLOUR": "green"},
            },
        )
        instances = {"InstanceType": "ml.m5.2xlarge", "InitialInstanceCount": 2}
        self.api.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {"VariantName": "AllTraffic", "ModelName": name, **(variant or instances)}
            ],
        )
        return name

    def endpoint(self, package: bytes, **variant: Any) -> str:
        """The name of a new endpoint, whatever became of it."""
        name = self.config(package, **variant)
        self.api.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.settled(name)
        return name

    def settled(self, name: str) -> dict[str, Any]:
        def done() -> dict[str, Any] | None:
            answer: dict[str, Any] = self.api.describe_endpoint(EndpointName=name)
            return answer if not answer["EndpointStatus"].endswith("ing") else None

        return wait_until(done)

    def invoke(self, name: str, body: bytes = b"hello", **options: Any) -> dict[str, Any]:
        """The facts that the fake serving room answers with."""
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **options)
        facts: dict[str, Any] = json.loads(answer["Body"].read())
        return facts


@pytest.fixture(scope="session")
def sagemaker(cloud: Cloud) -> SageMaker:
    return SageMaker(cloud)


@pytest.fixture(scope="module")
def endpoint(sagemaker: SageMaker) -> str:
    """An endpoint in service that tests leave as they found it."""
    return sagemaker.endpoint(archive())


@pytest.fixture(scope="session")
def training(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Training:
    if not JOB_PYTHON.exists():
        pytest.skip(f"no environment for training jobs: {JOB_PYTHON}")
    return Training(cloud, tmp_path_factory.mktemp("stand-ins"))
