"""Files of a training job: inputs from a shared cache, archives, requirements, requests refused."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local.children import group_members
from local.errors import AwsError
from local.sagemaker.jobs import start, torchrun
from local.sagemaker.jobs.checks import check_job
from local.sagemaker.jobs.environments import Base, is_satisfied
from local.sagemaker.jobs.failure import JobFailedError, shortened
from local.sagemaker.jobs.files import JobFiles
from local.sagemaker.jobs.inputs import ObjectCache, local_name
from local.sagemaker.jobs.outputs import merged, pack
from local.sagemaker.jobs.s3 import S3Object


@pytest.mark.parametrize(
    ("prefix", "key", "name"),
    [
        ("data/", "data/train/a.jpg", "train/a.jpg"),
        ("data", "data/train/a.jpg", "train/a.jpg"),
        ("", "train/a.jpg", "train/a.jpg"),
        ("jobs/f/model.tar.gz", "jobs/f/model.tar.gz", "model.tar.gz"),
        ("data/tr", "data/train/a.jpg", "train/a.jpg"),
        ("data/", "data/ü b+.jpg", "ü b+.jpg"),
    ],
)
def test_object_lands_where_sagemaker_puts_it(prefix: str, key: str, name: str) -> None:
    assert str(local_name(key, prefix)) == name


@pytest.mark.parametrize("key", ["data/../../x", "data/a/../../x"])
def test_key_that_leads_out_of_the_channel_is_refused(key: str) -> None:
    with pytest.raises(JobFailedError, match="is no file name"):
        local_name(key, "data/")


class FakeS3:
    def __init__(self) -> None:
        self.downloads = 0

    def get_object(self, **_: str) -> dict[str, io.BytesIO]:
        self.downloads += 1
        return {"Body": io.BytesIO(b"photo")}


PHOTO = S3Object("data/a.jpg", "0a1b", 5)


def test_second_job_gets_the_same_file_without_a_download(tmp_path: Path) -> None:
    s3, cache = FakeS3(), ObjectCache(tmp_path / "cache")

    for job in ("one", "two"):
        cache.fetch(s3, "b", PHOTO, tmp_path / job / "a.jpg")

    assert s3.downloads == 1
    assert (tmp_path / "two" / "a.jpg").samefile(tmp_path / "one" / "a.jpg")


def test_file_that_a_job_wrote_to_is_downloaded_again(tmp_path: Path) -> None:
    s3, cache = FakeS3(), ObjectCache(tmp_path / "cache")
    cache.fetch(s3, "b", PHOTO, tmp_path / "one.jpg")

    (tmp_path / "one.jpg").write_text("PHOTO")
    cache.fetch(s3, "b", PHOTO, tmp_path / "two.jpg")

    assert s3.downloads == 2
    assert (tmp_path / "one.jpg").read_text() == "PHOTO"
    assert (tmp_path / "two.jpg").read_text() == "photo"


def test_cache_drops_the_longest_unused_and_nothing_that_is_in_use(tmp_path: Path) -> None:
    s3, cache = FakeS3(), ObjectCache(tmp_path / "cache")
    for number in range(3):
        cache.fetch(s3, "b", S3Object("k", f"{number}{number}", 5), tmp_path / str(number))
    for number in range(2):
        (tmp_path / str(number)).unlink()

    cache.prune(max_bytes=5)
    for number in range(3):
        cache.fetch(s3, "b", S3Object("k", f"{number}{number}", 5), tmp_path / f"again{number}")

    assert s3.downloads == 4  # the first went; the second fits; the third is in use


def test_cleaning_up_takes_nothing_from_a_job_that_is_downloading(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path / "cache")

    class Pruned(FakeS3):
        """Another job ends in the middle of this one's download."""

        def get_object(self, **where: str) -> dict[str, Any]:
            (half,) = {path.parent for path in (tmp_path / "cache").rglob("*")} - {tmp_path}
            (half / f"{PHOTO.etag}-{PHOTO.size}.00.partial").write_text("another half")
            cache.prune(max_bytes=0)
            assert (half / f"{PHOTO.etag}-{PHOTO.size}.00.partial").exists()
            return super().get_object(**where)

    cache.fetch(Pruned(), "b", PHOTO, tmp_path / "a.jpg")

    assert (tmp_path / "a.jpg").read_text() == "photo"


def test_half_downloads_of_a_killed_cloud_are_deleted(tmp_path: Path) -> None:
    half = tmp_path / "cache" / "aa" / "aa-5.0123.partial"
    half.parent.mkdir(parents=True)
    half.write_text("ph")

    ObjectCache(tmp_path / "cache")

    assert not half.exists()


def test_same_folder_makes_the_same_archive(tmp_path: Path) -> None:
    for name, when in (("a", 1_000_000_000), ("b", 1_500_000_000)):
        folder = tmp_path / name
        (folder / "code").mkdir(parents=True)
        for file in ("weights", "code/serve.py"):
            (folder / file).write_text(file)
            os.utime(folder / file, (when, when))
        pack(merged([folder]), tmp_path / f"{name}.tar.gz")

    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getnames() == ["code/serve.py", "weights"]


def test_link_out_of_the_folder_stays_out_of_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "weights").write_text("w")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "in").symlink_to("weights")
    pack(merged([folder]), tmp_path / "m.tar.gz")

    with tarfile.open(tmp_path / "m.tar.gz") as tar:
        assert tar.getnames() == ["in", "weights"]
        assert all(member.isfile() for member in tar)


BASE = Base(
    Path("python"),
    "site-packages",
    {"timm": "1.0.31", "zope-interface": "5.0"},
    {"python_version": "3.11", "sys_platform": "linux"},
)


@pytest.mark.parametrize(
    ("requirements", "satisfied"),
    [
        ("", True),
        ("# words\n\ntimm==1.0.31  # pinned\n", True),
        ("timm", True),
        ("Zope.Interface>=4", True),
        ("timm==1.0.30", False),
        ("torch==2.0", False),
        ("torch==2.0 ; python_version < '3.8'", True),
        ("timm[extra]==1.0.31", False),
        ("./wheels/x.whl", False),
        ("--find-links wheels", False),
        ("-r other.txt", False),
    ],
)
def test_requirements_are_satisfied_only_without_doubt(requirements: str, satisfied: bool) -> None:
    assert is_satisfied(requirements, BASE) is satisfied


def test_interpreter_says_what_it_has() -> None:
    base = Base.inspect(Path(sys.executable))

    assert is_satisfied("pytest", base)
    assert base.markers["python_version"] == f"3.{sys.version_info.minor}"
    with pytest.raises(JobFailedError, match="/nowhere/python does not work"):
        Base.inspect(Path("/nowhere/python"))


@pytest.mark.parametrize("value", ["train.py", '"train.py"'])
def test_hyperparameter_is_text_with_or_without_json(value: str) -> None:
    assert start.text({"sagemaker_program": value}, "sagemaker_program") == "train.py"


def test_own_process_group_has_this_process_in_it() -> None:
    assert os.getpid() in group_members(os.getpgrp())
    assert group_members(2**22 + 1) == {}


def test_long_failure_keeps_its_end() -> None:
    words = shortened("ExecuteUserScriptError" + "x" * 5000 + "ValueError: silly")

    assert len(words) == 900
    assert words.startswith("ExecuteUserScriptError")
    assert words.endswith("ValueError: silly")


def test_long_failure_text_is_kept_without_torchruns_report() -> None:
    said = "E1126 12:00:00 7 torch/distributed/elastic/multiprocessing/api.py:1010] failed"

    assert shortened(f"ValueError: silly\n {said}\n" + "x" * 900) == "ValueError: silly"


def test_paths_below_opt_ml_are_the_jobs_own(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)

    assert files.local("/opt/ml/checkpoints/a") == tmp_path / "ml" / "checkpoints" / "a"
    for elsewhere in ("/tmp/x", "/opt/ml/../x", "checkpoints"):
        with pytest.raises(AwsError, match="is not below /opt/ml"):
            files.local(elsewhere)


def _job(**members: Any) -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "s3://b/source.tar.gz",
        },
        "OutputDataConfig": {"S3OutputPath": "s3://b"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        **members,
    }


def _channel(**members: Any) -> dict[str, Any]:
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/data"}}
    return {"ChannelName": "data", "DataSource": data, **members}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"InputDataConfig": [_channel(InputMode="FastFile", CompressionType="None")]},
        {"EnableNetworkIsolation": False, "RemoteDebugConfig": {"EnableRemoteDebug": False}},
        {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
        {"DebugHookConfig": {"S3OutputPath": "s3://b", "LocalPath": "/opt/ml/output/tensors"}},
    ],
)
def test_job_that_can_run_is_accepted(members: dict[str, Any]) -> None:
    check_job(_job(**members))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"HyperParameters": {}}, "sagemaker_program is missing"),
        (
            {
                "HyperParameters": {
                    "sagemaker_program": "a.py",
                    "sagemaker_submit_directory": "/etc",
                }
            },
            "'/etc' is neither s3://",
        ),
        ({"EnableNetworkIsolation": True}, "does not support EnableNetworkIsolation. Leave it out"),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingInputMode": "File",
                    "ContainerEntrypoint": ["bash"],
                }
            },
            "ContainerEntrypoint",
        ),
        ({"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 9}}, "not 9"),
        ({"ResourceConfig": {"InstanceCount": 1}}, "needs an InstanceType"),
        ({"InputDataConfig": [_channel(), _channel()]}, "Duplicate channel name data"),
        ({"InputDataConfig": [_channel(InputMode="Pipe")]}, "Pipe mode"),
        ({"InputDataConfig": [_channel(RecordWrapperType="RecordIO")]}, "RecordWrapperType"),
        ({"InputDataConfig": [_channel(ShuffleConfig={"Seed": 1})]}, "ShuffleConfig"),
        ({"CheckpointConfig": {"S3Uri": "s3://b", "LocalPath": "/tmp/c"}}, "not below /opt/ml"),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9},
                "Environment": {"LOCAL_SPOT_INTERRUPT_AFTER_S": "soon"},
            },
            "LOCAL_SPOT_INTERRUPT_AFTER_S='soon' is not seconds",
        ),
    ],
)
def test_job_that_cannot_run_is_refused_by_what_is_in_the_way(
    members: dict[str, Any], words: str
) -> None:
    with pytest.raises(AwsError, match=words) as raised:
        check_job(_job(**members))
    assert raised.value.code == "ValidationException"


def test_archive_holds_what_every_host_wrote(tmp_path: Path) -> None:
    for host in ("algo-1", "algo-2"):
        (tmp_path / host / "model").mkdir(parents=True)
        (tmp_path / host / "model" / host).write_text(host)
    models = [tmp_path / host / "model" for host in ("algo-1", "algo-2")]

    assert list(merged(models)) == ["algo-1", "algo-2"]

    (models[1] / "algo-1").write_text("mine")
    with pytest.raises(JobFailedError, match="two hosts wrote model/algo-1"):
        merged(models)


def test_each_host_has_a_name_and_knows_the_others(tmp_path: Path) -> None:
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2}
    record = {"AlgorithmSpecification": {}, "ResourceConfig": resources}
    for rank, name in enumerate(("127.0.0.1", "127.0.0.2")):
        files = JobFiles(tmp_path / str(rank))
        files.config.mkdir(parents=True)
        start.write_config(record, files, rank)
        written = json.loads((files.config / "resourceconfig.json").read_text())
        assert written["current_host"] == name
        assert written["hosts"] == ["127.0.0.1", "127.0.0.2"]
        assert written["instance_groups"][0]["hosts"] == written["hosts"]


def test_torchrun_of_a_job_has_a_port_of_its_own(tmp_path: Path) -> None:
    python = tmp_path / "my python"
    python.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    python.chmod(0o755)
    torchrun.install(tmp_path / "bin", python, 4321)
    words = ["--nnodes", "2", "--master_port", "7777", "train.py", "--name", "a b"]

    said = subprocess.check_output([str(tmp_path / "bin" / "torchrun"), *words], text=True)

    expected = ["--nnodes", "2", "--master_port", "4321", "train.py", "--name", "a b", ""]
    assert said.split("|") == ["-m", "torch.distributed.run", *expected]
