"""Weights that a backbone does not bring: in S3 once, and in every job's channels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rigs.photos import ROOT
from training.jobs import features
from training.jobs.channels import UploadedData, WeightsChannel, ready_weights
from training.jobs.config import load
from training.jobs.definition import Place
from training.jobs.errors import UsageError
from training.jobs.source import build


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


def test_file_is_uploaded_once_under_its_content(s3: Any, tmp_path: Path) -> None:
    file = tmp_path / "my weights.safetensors"
    file.write_bytes(b"one")
    first = ready_weights(str(file), s3, "bucket", "resnet50")
    assert ready_weights(str(file), s3, "bucket", "resnet50") == first
    file.write_bytes(b"two")
    second = ready_weights(str(file), s3, "bucket", "resnet50")

    assert first is not None
    assert second is not None
    assert first.uri != second.uri
    assert first.uri.endswith("/my weights.safetensors")
    assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 2


def test_object_is_taken_where_it_is_and_told_by_its_content(s3: Any) -> None:
    uri = "s3://bucket/w/resnet.pth"
    versions = []
    for content in (b"one", b"two"):
        s3.put_object(Bucket="bucket", Key="w/resnet.pth", Body=content)
        found = ready_weights(uri, s3, "bucket", "resnet50")
        assert found is not None
        assert found.uri == uri
        versions.append(found.version)
    assert versions[0] != versions[1]


@pytest.mark.parametrize("given", ["none.pth", "s3://bucket/none.pth", "s3://nobody/none.pth"])
def test_weights_that_are_not_there_are_told(given: str, s3: Any) -> None:
    with pytest.raises(UsageError, match=r"\[jobs\] weights: .*none\.pth"):
        ready_weights(given, s3, "bucket", "resnet50")


def test_backbone_with_weights_of_its_own_needs_no_channel(s3: Any) -> None:
    assert ready_weights("", s3, "bucket", "resnet50") is None
    channels = Place("i", "r", "s", "o").channels({"data": "d"}, "File")
    assert [channel["ChannelName"] for channel in channels] == ["data"]


def test_other_weights_are_other_features() -> None:
    config, data, code = load(), UploadedData("s3://b/d/", "0", 1), build()
    places = [Place("i", "r", "s", "o", weights) for weights in
              (None, WeightsChannel("s3://b/w", "1"), WeightsChannel("s3://b/w", "2"))]  # fmt: skip
    assert len({features.key(config, data, code, place) for place in places}) == 3


def test_recipe_of_the_course_is_a_configuration() -> None:
    config = load(ROOT / "training" / "jobs" / "recipes" / "resnet50.toml")

    assert config.jobs.weights == ".local/weights/resnet50_v1.safetensors"
    assert config.hyperparameters["head"] == "three-layer"
    assert config.hyperparameters["epochs"] == config.hyperparameters["patience"] == "16"
    assert config.ranges.keys() == {"lr", "batch-size"}
    assert config.shares_features
