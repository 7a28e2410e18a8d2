"""The source archive: the same bytes for the same code, with what a job needs and no more."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rigs.photos import ROOT
from training.jobs import source
from training.jobs.errors import UsageError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (
        "training/train.py",
        "training/data/dataset.py",
        "training/jobs/tune.py",
        "training/__pycache__/train.cpython-311.pyc",
        "training/requirements.txt",
        "serving/model.py",
        "photo_reader/reading.py",
        "serving/config.yaml",
        "local/cloud.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def _members(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {m.name: file.read().decode() for m in opened if (file := opened.extractfile(m))}


def test_archive_holds_the_code_and_its_requirements(project: Path) -> None:
    assert _members(source.build(project).archive) == {
        "training/train.py": "training/train.py",
        "training/data/dataset.py": "training/data/dataset.py",
        "serving/model.py": "serving/model.py",
        "photo_reader/reading.py": "photo_reader/reading.py",
        "serving/config.yaml": "serving/config.yaml",
        "requirements.txt": "training/requirements.txt",
    }


def test_same_code_gives_the_same_bytes(project: Path) -> None:
    first = source.build(project)
    os.utime(project / "training" / "train.py", (1, 1))
    (project / "training" / "jobs" / "tune.py").write_text("another launcher")
    assert source.build(project) == first

    (project / "training" / "train.py").write_text("other code")
    assert source.build(project).digest != first.digest


def test_incomplete_checkout_is_refused(project: Path) -> None:
    (project / "training" / "train.py").unlink()

    with pytest.raises(UsageError, match=r"train\.py is missing"):
        source.build(project)


def test_archive_is_uploaded_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="bucket")
        built = source.build(project)
        uri = source.upload(built, s3, "bucket", "breeds")
        assert uri == f"s3://bucket/breeds/source/{built.digest}/sourcedir.tar.gz"

        def refuse(**_: Any) -> None:
            raise AssertionError("sent a second time")

        monkeypatch.setattr(s3, "put_object", refuse)
        assert source.upload(built, s3, "bucket", "breeds") == uri


@pytest.mark.parametrize(
    "changed",
    [
        "photo_reader/reading.py",
        "serving/architectures.py",
        "serving/layers.py",
        "serving/network.py",
        "serving/preprocess.py",
        "serving/weights.py",
        "training/network/backbones.py",
        "training/data/dataset.py",
        "training/data/folders.py",
        "training/data/splitting.py",
        "training/features/file.py",
        "training/features/compute.py",
        "training/features/cache.py",
        "training/options.py",
        "training/features/photos.py",
        "training/train.py",
        "training/requirements.txt",
    ],
)
def test_every_module_that_features_depend_on_is_in_their_hash(
    changed: str, checkout: Path
) -> None:
    before = source.build(checkout).features_digest
    path = checkout / changed
    path.write_bytes(path.read_bytes() + b"\n# changed\n")
    assert source.build(checkout).features_digest != before


@pytest.mark.parametrize(
    "changed",
    ["training/figures/plots.py", "training/figures/metrics.py", "training/fit/loop.py",
     "training/figures/report.py",
     "training/debugger/rules/overfit.py", "training/profiler/report/style.py"],
)  # fmt: skip
def test_code_that_only_trains_or_reports_costs_no_new_features(
    changed: str, checkout: Path
) -> None:
    before = source.build(checkout)
    path = checkout / changed
    path.write_bytes(path.read_bytes() + b"\n# changed\n")
    after = source.build(checkout)
    assert after.features_digest == before.features_digest
    assert after.digest != before.digest


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for room in ("photo_reader", "serving", "training"):
        shutil.copytree(
            ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "pictures")
        )
    return tmp_path
