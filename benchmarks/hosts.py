"""One training job on one, two and four hosts: `python -m benchmarks.hosts [--breeds 8]`.

Each job runs whole through the local cloud: SageMaker's toolkit starts torchrun on every host, all
of them on this machine. Compared are the losses of every epoch and the test photos that are right;
then a job of two hosts of which one is killed, gone on with by another job from its checkpoints;
then the features of a data set of which 1 % is new. Writes hosts.json.

What it cannot show is a gain: hosts here share the CPUs that one host has to itself, and each also
loads its own backbone. Seconds show what the exchange and the start of processes cost. Photos are
those of DOGS_DATA, breed by breed; they descend from ImageNet, which the backbone has seen.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import ROOT, machine, write
from local.children import recorded_pid
from local.launch import Cloud
from rigs.photos import DOGS
from training.jobs import source
from training.jobs.config import JobSettings, load
from training.jobs.definition import JobDefinition, Place, training_request

HOSTS = (1, 2, 4)
BUCKET = "hosts"
SETTINGS = {
    "backbone": "efficientnet_lite0",
    "epochs": "20",
    "patience": "20",
    "batch-size": "16",
    "precision": "float32",
    "seed": "1",
}
KILLED_AFTER = 5  # epochs
NEW_SHARE = 0.01
ENDED = ("Completed", "Failed", "Stopped")
JOB_TIMEOUT_S = 1800
_PASS = re.compile(r"features: (\d+) computed and (\d+) reused in (\d+) s")


@dataclass
class Jobs:
    """Training jobs in one local cloud."""

    cloud: Cloud
    settings: JobSettings
    place: Place

    def start(self, name: str, hosts: int, channels: Mapping[str, str], **members: Any) -> None:
        """`only` (a bool): the features alone. `checkpoints`: where they are kept."""
        settings = self.settings.model_copy(update={"instance_count": hosts})
        flags = {**SETTINGS, **({"features-only": "true"} if members.get("only") else {})}
        request = training_request(JobDefinition(name, flags, channels), self.place, settings)
        if kept := members.get("checkpoints"):
            request["CheckpointConfig"] = {"S3Uri": kept}
        self.cloud.client("sagemaker").create_training_job(**request)

    def ended(self, name: str) -> str:
        """Its last status, waited for."""
        deadline = time.monotonic() + JOB_TIMEOUT_S
        while time.monotonic() < deadline:
            job = self.cloud.client("sagemaker").describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] in ENDED:
                return str(job["TrainingJobStatus"])
            time.sleep(0.5)
        raise SystemExit(f"{name} has not ended after {JOB_TIMEOUT_S} s")

    def completed(self, name: str) -> None:
        if self.ended(name) != "Completed":
            raise SystemExit(f"{name} failed:\n{self.log(name)[-3000:]}")

    def home(self, name: str) -> Path:
        return self.cloud.state_dir / "sagemaker" / "training" / "us-east-1" / name

    def log(self, name: str) -> str:
        """What the first host has printed so far."""
        file = self.home(name) / "container.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def output(self, name: str) -> dict[str, Any]:
        """The JSON files of its output, by name."""
        key = f"jobs/{name}/output/output.tar.gz"
        body = self.cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            files = {one.name: archive.extractfile(one) for one in archive if one.isfile()}
            wanted = {"history.json", "metrics.json"} & files.keys()
            return {name: json.loads(file.read()) for name in wanted if (file := files[name])}

    def computed(self, name: str) -> tuple[int, int, int]:
        """Features computed and reused, and the seconds of it."""
        found = _PASS.search(self.log(name))
        if found is None:
            raise SystemExit(f"{name} says nothing of its features")
        return int(found[1]), int(found[2]), int(found[3])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--breeds", type=int, default=8)
    options = parser.parse_args()
    photos = chosen(options.breeds)
    console, load = Console(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, Cloud(Path(folder) / "cloud").running() as cloud:
        jobs = prepared(cloud, photos)
        whole = {"data": f"s3://{BUCKET}/data/"}
        runs = []
        for hosts in HOSTS:
            with console.status(f"{hosts} of {HOSTS} hosts"):
                runs.append(trained(jobs, f"hosts-{hosts}", hosts, whole))
        with console.status("two hosts, one killed"):
            resumed = killed_and_resumed(jobs, whole, runs[1])
        with console.status("1 % new"):
            grown = one_percent_new(jobs, photos)
    report(console, {"photos": len(photos), "load_before": load}, runs, resumed, grown)
    return 0


def chosen(breeds: int) -> list[Path]:
    """Every photo of the first breeds, below DOGS."""
    found = [
        path
        for split in ("train", "valid", "test")
        for breed in sorted((DOGS / split).glob("*"))[:breeds]
        for path in sorted(breed.glob("*.jpg"))
    ]
    if not found:
        raise SystemExit(f"{DOGS}: no photos there. DOGS_DATA names a folder of photos")
    return found


def prepared(cloud: Cloud, photos: list[Path]) -> Jobs:
    """The photos and the code in the cloud's bucket."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for path in photos:
        key = f"data/{path.relative_to(DOGS).as_posix()}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    code = source.upload(source.build(ROOT), s3, BUCKET, "code")
    role = "arn:aws:iam::123456789012:role/training"
    place = Place("any", role, code, f"s3://{BUCKET}/jobs")
    return Jobs(cloud, load().jobs.model_copy(update={"input_mode": "FastFile"}), place)


def trained(jobs: Jobs, name: str, hosts: int, channels: Mapping[str, str]) -> dict[str, Any]:
    jobs.start(name, hosts, channels)
    jobs.completed(name)
    return {"hosts": hosts, "features_s": jobs.computed(name)[2], **outcome(jobs, name)}


def outcome(jobs: Jobs, name: str) -> dict[str, Any]:
    """Losses by epoch, what is right, and the seconds of the epochs."""
    output = jobs.output(name)
    history, metrics = output["history.json"], output["metrics.json"]
    return {
        "losses": [[row["train_loss"], row["validation_loss"]] for row in history],
        "epochs_s": sum(row["seconds"] for row in history),
        "test_top1": metrics["test"]["top1"]["value"],
        "n_test": metrics["test"]["top1"]["n"],
    }


def killed_and_resumed(
    jobs: Jobs, channels: Mapping[str, str], uninterrupted: Mapping[str, Any]
) -> dict[str, Any]:
    """SIGKILL to the second of two hosts in mid-training, and a job that goes on."""
    kept = f"s3://{BUCKET}/checkpoints"
    jobs.start("hosts-killed", 2, channels, checkpoints=kept)
    deadline = time.monotonic() + JOB_TIMEOUT_S
    while f"epoch={KILLED_AFTER} " not in jobs.log("hosts-killed"):
        if time.monotonic() > deadline:
            raise SystemExit(f"the job has not come to epoch {KILLED_AFTER}")
        time.sleep(0.05)
    second = recorded_pid(jobs.home("hosts-killed") / "algo-2" / "pid")
    if second is None:
        raise SystemExit("the second host has no process")
    os.killpg(second, signal.SIGKILL)
    status = jobs.ended("hosts-killed")
    jobs.start("hosts-resumed", 2, channels, checkpoints=kept)
    jobs.completed("hosts-resumed")
    went_on = re.search(r"goes on from a checkpoint: epoch (\d+)", jobs.log("hosts-resumed"))
    found = outcome(jobs, "hosts-resumed")
    return {
        "killed_job": status,
        "went_on_in_epoch": int(went_on[1]) if went_on else None,
        "same_losses": found["losses"] == uninterrupted["losses"],
        "same_test_top1": found["test_top1"] == uninterrupted["test_top1"],
    }


def one_percent_new(jobs: Jobs, photos: list[Path]) -> dict[str, Any]:
    """Features of all but the last of each hundred photos, then of all, on two hosts each."""
    s3 = jobs.cloud.client("s3")
    step = round(1 / NEW_SHARE)
    for path in [path for at, path in enumerate(photos) if at % step != step - 1]:
        key = path.relative_to(DOGS).as_posix()
        copied = {"Bucket": BUCKET, "Key": f"data/{key}"}
        s3.copy_object(Bucket=BUCKET, Key=f"before/{key}", CopySource=copied)
    jobs.start("hosts-before", 2, {"data": f"s3://{BUCKET}/before/"}, only=True)
    jobs.completed("hosts-before")
    earlier = f"s3://{BUCKET}/jobs/hosts-before/output/model.tar.gz"
    channels = {"data": f"s3://{BUCKET}/data/", "features": earlier}
    jobs.start("hosts-after", 2, channels, only=True)
    jobs.completed("hosts-after")
    first, second = jobs.computed("hosts-before"), jobs.computed("hosts-after")
    return {
        "before": {"computed": first[0], "seconds": first[2]},
        "after": {"computed": second[0], "reused": second[1], "seconds": second[2]},
    }


def report(
    console: Console,
    facts: dict[str, float],
    runs: list[dict[str, Any]],
    resumed: dict[str, Any],
    grown: dict[str, Any],
) -> None:
    alone = runs[0]
    table = Table("hosts", "pass, s", "epochs, s", "largest difference of a loss", "test top-1")
    for run in runs:
        run["largest_difference"] = max(
            abs(loss / other - 1)
            for mine, others in zip(run["losses"], alone["losses"], strict=True)
            for loss, other in zip(mine, others, strict=True)
        )
        table.add_row(
            str(run["hosts"]),
            str(run["features_s"]),
            f"{run['epochs_s']:.1f}",
            f"{run['largest_difference']:.1e}",
            f"{run['test_top1']:.4f}",
        )
    console.print(table)
    console.print(f"killed and resumed: {resumed}")
    console.print(f"1 % new: {grown}")
    result = {**facts, "hyperparameters": SETTINGS, "runs": runs, "resumed": resumed}
    write("hosts", {**result, "one_percent_new": grown, "machine": machine()})


if __name__ == "__main__":
    sys.exit(main())
