"""Training jobs of several hosts, each a container of its own on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.local.test_training_jobs import gone
from tests.integration.local.training import Training, unpacked

TWO = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
# Every host tells where it is, and writes a file of its own.
TELL = """
import json, os, pathlib
me = os.environ["SM_CURRENT_HOST"]
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
channels = sorted(path for path in (base / "input" / "data").rglob("*") if path.is_file())
facts = {
    "host": me,
    "hosts": json.loads(os.environ["SM_HOSTS"]),
    "resources": json.loads((base / "input/config/resourceconfig.json").read_text()),
    "photos": [(path.name, path.read_text()) for path in channels],
    "copied": [path.name for path in channels if not path.is_symlink()],
    "threads": os.environ["OMP_NUM_THREADS"],
}
pathlib.Path(os.environ["SM_MODEL_DIR"], me).write_text("model")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], me + ".json").write_text(json.dumps(facts))
print("score=%s" % me[-1])
"""
# The second host fails once the first waits for it, and has said so.
ONE_FAILS = """
import json, os, pathlib, time
first = pathlib.Path(SAID)
if os.environ["SM_CURRENT_HOST"] != json.loads(os.environ["SM_HOSTS"])[0]:
    while not first.exists():
        time.sleep(0.05)
    raise ValueError("the second host has no luck")
print("pid=%d" % os.getpid(), flush=True)
first.touch()
time.sleep(600)
"""


def _photos(training: Training, mode: str, spread: str = "FullyReplicated") -> dict[str, Any]:
    for name in ("a", "b", "c"):
        training.put(f"photos/{name}.txt", name.encode())
    url = f"s3://{training.bucket}/photos/"
    data = {"S3DataType": "S3Prefix", "S3Uri": url, "S3DataDistributionType": spread}
    return {"ChannelName": "data", "InputMode": mode, "DataSource": {"S3DataSource": data}}


def _told(training: Training, job: dict[str, Any]) -> list[dict[str, Any]]:
    output = unpacked(training.get(f"out/{job['TrainingJobName']}/output/output.tar.gz"))
    return [json.loads(content) for _, content in sorted(output.items())]


def test_hosts_have_sagemakers_files_and_one_archive_holds_what_they_wrote(
    training: Training,
) -> None:
    job = training.run(TELL, ResourceConfig=TWO, InputDataConfig=[_photos(training, "File")])

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    hosts = ["127.0.0.1", "127.0.0.2"]
    told = _told(training, job)
    assert [facts["host"] for facts in told] == hosts
    for facts in told:
        assert facts["hosts"] == facts["resources"]["hosts"] == hosts
        assert facts["resources"]["current_host"] == facts["host"]
        assert facts["photos"] == [["a.txt", "a"], ["b.txt", "b"], ["c.txt", "c"]]
    name = job["TrainingJobName"]
    model = unpacked(training.get(f"out/{name}/output/model.tar.gz"))
    assert sorted(model) == hosts
    streams = training.cloud.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    named = [stream["logStreamName"].split("/")[1].rpartition("-")[0] for stream in streams]
    assert sorted(named) == ["algo-1", "algo-2"]


def test_streamed_channel_is_not_copied_and_can_be_dealt_out(training: Training) -> None:
    channel = _photos(training, "FastFile", "ShardedByS3Key")
    job = training.run(TELL, ResourceConfig=TWO, InputDataConfig=[channel])

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    first, second = _told(training, job)
    assert first["photos"] == [["a.txt", "a"], ["c.txt", "c"]]
    assert second["photos"] == [["b.txt", "b"]]
    assert first["copied"] == second["copied"] == []


def test_host_that_fails_fails_the_job_and_ends_the_others(
    training: Training, tmp_path: Path
) -> None:
    script = ONE_FAILS.replace("SAID", repr(str(tmp_path / "said")))
    name = training.start(script, ResourceConfig=TWO)
    waiting = int(training.spoken(name, "pid=").partition("=")[2])
    job = training.ended(name)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("algo-2: AlgorithmError: ")
    assert "the second host has no luck" in job["FailureReason"]
    assert gone(waiting)


# The first host loses the second, and ends before it.
ONE_IS_LOST = """
import json, os, time
if os.environ["SM_CURRENT_HOST"] == json.loads(os.environ["SM_HOSTS"])[0]:
    raise RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] closed by peer")
time.sleep(2)
raise ValueError("the second host has no luck")
"""


def test_host_that_ends_because_it_lost_another_is_not_the_reason(training: Training) -> None:
    job = training.run(ONE_IS_LOST, ResourceConfig=TWO)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("algo-2: AlgorithmError: ")
    assert "the second host has no luck" in job["FailureReason"]


# A process of its own session, which outlives the script that started it.
LEAVES_ONE = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                        start_new_session=True)
print("pid=%d" % left.pid, flush=True)
"""


def test_process_in_a_session_of_its_own_ends_with_the_job(training: Training) -> None:
    job = training.run(LEAVES_ONE)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert gone(int(training.spoken(job["TrainingJobName"], "pid=").partition("=")[2]))
