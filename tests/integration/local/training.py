"""Training jobs made with unmodified boto3: tiny scripts under the real in-container toolkit."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from pathlib import Path
from typing import Any

from local.launch import Cloud
from tests.waiting import wait_until

ROLE = "arn:aws:iam::123456789012:role/model"
JOB_TIMEOUT_S = 240.0  # seconds on a quiet machine
ENDED = {"Completed", "Failed", "Stopped"}
SCORE = {"Name": "score", "Regex": r"score=([-0-9.e]+)"}


def archive(files: dict[str, str | bytes]) -> bytes:
    """A .tar.gz of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


class Training:
    """One bucket of a cloud, and jobs whose names are made up so that tests share the cloud."""

    def __init__(self, cloud: Cloud, stand_ins: Path) -> None:
        """`stand_ins` gets a torch that costs no second to import: the toolkit imports it, the
        tests' scripts do not.
        """
        (stand_ins / "torch.py").write_text('__version__ = "0"\n')
        self._environment = {"PYTHONPATH": str(stand_ins), "USE_SMDEBUG": "0"}
        self.cloud = cloud
        self.api = cloud.client("sagemaker")
        self.s3 = cloud.client("s3")
        self.bucket = f"jobs-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.output = f"s3://{self.bucket}/out"

    def source(self, script: str, **files: str | bytes) -> str:
        """The URL of a source archive with this train.py."""
        key = f"source/{uuid.uuid4().hex}.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=archive({"train.py": script, **files}))
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, body: bytes) -> str:
        """The URL of an object."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [row["Key"] for row in listed.get("Contents", [])]

    def request(
        self, script: str, hyperparameters: dict[str, str] | None = None, **members: Any
    ) -> dict[str, Any]:
        """A CreateTrainingJob request; `members` are added, Environment to the tests' own."""
        environment = self._environment | members.pop("Environment", {})
        source = members.pop("source", None) or self.source(script)
        return {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:12]}",
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": "any",
                "TrainingInputMode": "File",
                "MetricDefinitions": [SCORE],
            },
            "HyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": source,
                **(hyperparameters or {}),
            },
            "OutputDataConfig": {"S3OutputPath": self.output},
            "ResourceConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "Environment": environment,
            **members,
        }

    def start(self, script: str, **members: Any) -> str:
        """The name of a job that was just made."""
        request = self.request(script, **members)
        self.api.create_training_job(**request)
        name: str = request["TrainingJobName"]
        return name

    def run(self, script: str, **members: Any) -> dict[str, Any]:
        """A job's description once it has ended, however it did."""
        return self.ended(self.start(script, **members))

    def describe(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.api.describe_training_job(TrainingJobName=name)
        return described

    def ended(self, name: str) -> dict[str, Any]:
        def done() -> dict[str, Any] | None:
            described = self.describe(name)
            return described if described["TrainingJobStatus"] in ENDED else None

        return wait_until(done, JOB_TIMEOUT_S)

    def in_status(self, name: str, secondary: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            described = self.describe(name)
            assert described["TrainingJobStatus"] not in ENDED - {secondary}, described
            return described if described["SecondaryStatus"] == secondary else None

        return wait_until(reached, JOB_TIMEOUT_S)

    def lines(self, name: str) -> list[str]:
        """The job's log in CloudWatch Logs so far."""
        logs = self.cloud.client("logs")
        where = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
        streams = logs.describe_log_streams(**where, logStreamNamePrefix=f"{name}/")["logStreams"]
        return [
            event["message"]
            for stream in streams
            for event in logs.get_log_events(
                **where, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    def spoken(self, name: str, word: str) -> str:
        """The first line with this word in the job's log file, waited for."""
        log = self.cloud.state_dir / "sagemaker" / "training" / "us-east-1" / name / "container.log"

        def line() -> str | None:
            text = log.read_text() if log.exists() else ""
            return next((line for line in text.splitlines() if line.startswith(word)), None)

        return wait_until(line, JOB_TIMEOUT_S)

    def said(self, name: str) -> dict[str, Any]:
        """What the script printed as `facts=<JSON>`."""
        facts: dict[str, Any] = json.loads(self.spoken(name, "facts=").partition("=")[2])
        return facts


def secondaries(described: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in described["SecondaryStatusTransitions"]]


def unpacked(archive_bytes: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive_bytes)) as tar:
        members = [(member, tar.extractfile(member)) for member in tar]
        return {member.name: file.read() for member, file in members if file}
