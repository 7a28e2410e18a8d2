"""Two and four hosts against one: `make benchmark NAME=hosts`.

The same training (a head over EfficientNet-Lite0, float32) as a job of the local cloud on one,
two and four hosts, and on two hosts that are taken back in the middle and go on from the
checkpoint. All hosts are processes of this one machine and share its CPUs. So this shows that they
train the same model and what several hosts cost; it cannot show how much faster more machines are.

Then the features of a data set, and of the same one with a hundredth of new photos, on two hosts:
what the second job computes.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without. They
descend from ImageNet, which the backbone has seen. Writes hosts.json.
"""

import io
import json
import os
import re
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import machine, write
from local.launch import Cloud
from rigs.photos import DOGS
from training.jobs import source
from training.jobs.config import JobSettings, load
from training.jobs.definition import JobDefinition, Place, training_request

BREEDS = 10
PHOTOS = {"train": 12, "valid": 4, "test": 4}  # of each breed
EPOCHS = 12
BUCKET = "hosts"
TRAINING = {
    "backbone": "efficientnet_lite0",
    "precision": "float32",
    "epochs": str(EPOCHS),
    "batch-size": "16",
    "lr": "0.03",
}
FEATURES = {"backbone": "efficientnet_lite0", "precision": "float32", "features-only": "true"}
POLL_S = 0.5
ENDED = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Ended:
    """A job that has completed: what its first host printed, its output, seconds of training."""

    log: str
    history: list[dict[str, float]]
    metrics: dict[str, Any]
    training_s: float

    @property
    def last(self) -> dict[str, float]:
        return self.history[-1]


class Bench:
    """Jobs in a cloud of their own."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sagemaker, self._s3 = cloud.client("sagemaker"), cloud.client("s3")
        self._s3.create_bucket(Bucket=BUCKET)
        code = source.upload(source.build(), self._s3, BUCKET, "code")
        self._place = Place("any", "arn:aws:iam::123456789012:role/jobs", code, f"s3://{BUCKET}/o")

    def upload(self, new: int = 0) -> str:
        """URI of the data set: of each breed so many photos, and `new` more of the first."""
        folder = f"data-{new}"
        for split, count in PHOTOS.items():
            breeds = sorted(path for path in (DOGS / split).iterdir() if path.is_dir())[:BREEDS]
            for at, breed in enumerate(breeds):
                more = new if (split, at) == ("train", 0) else 0
                for photo in sorted(breed.glob("*.jpg"))[: count + more]:
                    key = f"{folder}/{split}/{breed.name}/{photo.name}"
                    self._s3.upload_file(str(photo), BUCKET, key)
        return f"s3://{BUCKET}/{folder}/"

    def run(
        self,
        name: str,
        hosts: int,
        hyperparameters: dict[str, str],
        channels: dict[str, str],
        taken_back_after_s: float | None = None,
    ) -> Ended:
        """Raises RuntimeError for a job that does not complete."""
        print(f"{name}: {hosts} hosts", flush=True)
        settings = JobSettings(
            **{**load().jobs.model_dump(), "instance_count": hosts, "input_mode": "FastFile"}
        )
        spot = taken_back_after_s is not None
        job = JobDefinition(name, hyperparameters, channels, spot=spot)
        request = training_request(job, self._place, settings)
        if taken_back_after_s is not None:
            after = {"LOCAL_SPOT_INTERRUPT_AFTER_S": f"{taken_back_after_s:.1f}"}
            request["Environment"] = after
        self._sagemaker.create_training_job(**request)
        while (ended := self._describe(name))["TrainingJobStatus"] not in ENDED:
            time.sleep(POLL_S)
        if ended["TrainingJobStatus"] != "Completed":
            raise RuntimeError(f"{name}: {ended.get('FailureReason')}")
        output = self._unpacked(f"o/{name}/output/output.tar.gz")
        steps = ended["SecondaryStatusTransitions"]
        training = [one for one in steps if one["Status"] == "Training"]
        return Ended(
            self._log(name),
            json.loads(output.get("history.json", b"[]")),
            json.loads(output.get("metrics.json", b"{}")),
            sum((one["EndTime"] - one["StartTime"]).total_seconds() for one in training),
        )

    def features_of(self, name: str) -> str:
        return f"s3://{BUCKET}/o/{name}/output/model.tar.gz"

    def _describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=name)
        return found

    def _log(self, name: str) -> str:
        folder = self._cloud.state_dir / "sagemaker" / "training" / "us-east-1" / name
        return (folder / "container.log").read_text(encoding="utf-8", errors="replace")

    def _unpacked(self, key: str) -> dict[str, bytes]:
        try:
            body = self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:  # a features job writes none
            return {}
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            members = [(member, tar.extractfile(member)) for member in tar]
            return {member.name: file.read() for member, file in members if file}


def main() -> int:
    """Measure, print, and write the results."""
    if not (DOGS / "train").is_dir():
        print(f"error: {DOGS} holds no photos; set DOGS_DATA", file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory() as scratch,
        Cloud(Path(scratch) / "state").running() as cloud,
    ):
        bench = Bench(cloud)
        data = {"data": bench.upload()}
        runs = {count: bench.run(f"on-{count}", count, TRAINING, data) for count in (1, 2, 4)}
        middle = 0.75 * runs[2].training_s
        parts = bench.run("on-2-taken-back", 2, TRAINING, data, taken_back_after_s=middle)
        bench.run("features", 2, FEATURES, data)
        added = max(1, round(0.01 * BREEDS * sum(PHOTOS.values())))
        again = {"data": bench.upload(added), "features": bench.features_of("features")}
        more = bench.run("features-more", 2, FEATURES, again)
    report(runs, parts, reused(more.log))
    return 0


def passed(log: str) -> float:
    """Seconds of the pass over the photos."""
    return float(re.findall(r"features: \d+ computed and \d+ reused in (\d+) s", log)[-1])


def reused(log: str) -> tuple[int, int]:
    """Photos computed and reused."""
    computed, kept = re.findall(r"features: (\d+) computed and (\d+) reused", log)[-1]
    return int(computed), int(kept)


def report(runs: dict[int, Ended], parts: Ended, more: tuple[int, int]) -> None:
    """Print the table and write the JSON."""
    one = runs[1].last
    cases = {str(count): run for count, run in runs.items()} | {"2, taken back": parts}
    rows = {
        name: {
            "validation_loss": run.last["validation_loss"],
            "validation_accuracy": run.last["validation_accuracy"],
            "test_top1": run.metrics["test"]["top1"]["value"],
            "loss_over_that_of_one": run.last["validation_loss"] / one["validation_loss"],
            "pass_s": passed(run.log),
            "epoch_s": [round(row["seconds"], 2) for row in run.history],
        }
        for name, run in cases.items()
    }
    without_time = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in run.history]
        for run in (runs[2], parts)
    ]
    resumed = re.findall(r"goes on from a checkpoint: (epoch \d+, step \d+)", parts.log)
    table = Table("hosts", "validation loss", "accuracy", "test top-1", "pass s", "epoch s")
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['validation_loss']:.6f}",
            f"{row['validation_accuracy']:.3f}",
            f"{row['test_top1']:.3f}",
            f"{row['pass_s']:.0f}",
            f"{median(row['epoch_s']):.2f}",
        )
    Console().print(table)
    print(f"taken back: went on from {resumed}; same history: {without_time[0] == without_time[1]}")
    print(f"a hundredth of new photos: {more[0]} computed, {more[1]} reused")
    content: dict[str, object] = {
        "command": "make benchmark NAME=hosts",
        "photos": "DOGS_DATA; they descend from ImageNet, which the backbone has seen",
        "machine": machine() | {"torch": version("torch")},
        "all_hosts_share_this_machine": True,
        "load_average_at_the_end": [round(load_1, 1) for load_1 in os.getloadavg()],
        "train_photos": BREEDS * PHOTOS["train"],
        "hyperparameters": TRAINING,
        "hosts": rows,
        "taken_back_went_on_from": resumed,
        "taken_back_has_the_history_of_the_whole": without_time[0] == without_time[1],
        "hundredth_of_new_photos": {"computed": more[0], "reused": more[1]},
    }
    write("hosts", content)


if __name__ == "__main__":
    sys.exit(main())
