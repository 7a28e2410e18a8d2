"""Every job that this project starts, as it goes over the wire, held against AWS's own model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rigs.photos import ROOT
from tests.aws_model import problems
from tests.integration.jobs.conftest import LOCAL_BUCKET, Launcher
from tests.integration.jobs.recorder import Recorder
from training.jobs.managed_rules import COLLECTIONS, EVERY_STEP
from training.jobs.managed_rules import RULES as MANAGED_RULES
from training.metric_lines import METRIC_DEFINITIONS, OBJECTIVE

DATA = f"s3://{LOCAL_BUCKET}/breeds/data"
BEST = {"lr": "0.02", "batch-size": "64"}
RULES = {"Overfit": "IssuesFound"}


def _checked(recorder: Recorder) -> None:
    for operation, parameters in recorder.requests:
        service = "logs" if "Log" in operation else "sagemaker"
        assert problems(service, operation, parameters) == []


def _tuned(launcher: Launcher) -> None:
    launcher.out.mkdir()
    best = {"job": "a-1", "objective": 0.7, "hyperparameters": BEST}
    (launcher.out / "tuning.json").write_text(json.dumps({"tuning_job": "a", "best": best}))


def _only(recorder: Recorder, kind: str) -> dict[str, Any]:
    jobs = [j for j in recorder.sent("CreateTrainingJob") if f"-{kind}-" in j["TrainingJobName"]]
    assert len(jobs) == 1
    return jobs[0]


@pytest.mark.parametrize("place", ["locally", "on_aws"])
def test_tuning_sends_a_features_job_and_a_search_that_aws_accepts(
    launcher: Launcher, recorder: Recorder, place: str
) -> None:
    output = getattr(launcher, place)("tune")

    _checked(recorder)
    features = _only(recorder, "features")
    assert features["HyperParameters"]["features-only"] == "true"
    assert [c["ChannelName"] for c in features["InputDataConfig"]] == ["data"]
    (search,) = recorder.sent("CreateHyperParameterTuningJob")
    definition = search["TrainingJobDefinition"]
    (channel,) = definition["InputDataConfig"]
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    assert channel["ChannelName"] == "features"
    assert uri.endswith(f"/{features['TrainingJobName']}/output/model.tar.gz")
    config = search["HyperParameterTuningJobConfig"]
    assert config["ParameterRanges"]["ContinuousParameterRanges"] == [
        {"Name": "lr", "MinValue": "0.001", "MaxValue": "0.1", "ScalingType": "Logarithmic"}
    ]
    assert config["ParameterRanges"]["CategoricalParameterRanges"] == [
        {"Name": "batch-size", "Values": ["32", "64"]}
    ]
    assert config["HyperParameterTuningJobObjective"]["MetricName"] == OBJECTIVE
    assert {
        d["Name"]: d["Regex"] for d in definition["AlgorithmSpecification"]["MetricDefinitions"]
    } == METRIC_DEFINITIONS
    assert definition["StaticHyperParameters"]["sagemaker_program"] == "training/train.py"
    assert "0.7200" in output
    assert json.loads((launcher.out / "tuning.json").read_text())["best"]["hyperparameters"] == BEST
    assert (launcher.out / "tuning-trials.png").stat().st_size > 10_000
    assert (launcher.out / "tuning-parameters.png").stat().st_size > 10_000


def test_local_and_aws_requests_differ_in_account_and_region_only(
    launcher: Launcher, recorder: Recorder
) -> None:
    _tuned(launcher)
    launcher.locally("train")
    local = _only(recorder, "train")
    recorder.requests.clear()
    launcher.on_aws("train")

    text = json.dumps(_only(recorder, "train")).replace("eu-west-1", "us-east-1")
    text = text.replace("my-bucket", "sagemaker-us-east-1-123456789012")
    text = text.replace("111122223333:role/jobs", "123456789012:role/training")
    aws = json.loads(text)
    assert aws.keys() == local.keys()
    for volatile in ("TrainingJobName", "InputDataConfig"):  # both hold a job's name
        aws.pop(volatile), local.pop(volatile)
    assert aws == local


def test_second_search_over_the_same_data_computes_no_features_again(
    launcher: Launcher, recorder: Recorder
) -> None:
    launcher.locally("tune")
    output = launcher.locally("--set", "tuning.max_jobs=3", "tune")

    assert len(recorder.sent("CreateTrainingJob")) == 1
    assert "same backbone, views, data and code" in output
    # AND other data, other features
    recorder.objects["sagemaker-us-east-1-123456789012/breeds/data/train/1.a/2.jpg"] = b"new"
    launcher.locally("tune")
    assert len(recorder.sent("CreateTrainingJob")) == 2


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["tuning.strategy=Random"], {"Strategy": "Random"}),
        (
            ["tuning.strategy=Grid", "tuning.ranges=grid", "tuning.max_jobs=0"],
            {"Strategy": "Grid", "ResourceLimits": {"MaxParallelTrainingJobs": 2}},
        ),
        (
            ["tuning.strategy=Hyperband", "tuning.early_stopping=Off"],
            {
                "Strategy": "Hyperband",
                "StrategyConfig": {
                    "HyperbandStrategyConfig": {"MinResource": 4, "MaxResource": 20}
                },
            },
        ),
        (["tuning.ranges=extended"], {"TrainingJobEarlyStoppingType": "Auto"}),
    ],
    ids=["random", "grid", "hyperband", "extended"],
)
def test_every_strategy_is_a_request_that_aws_accepts(
    launcher: Launcher, recorder: Recorder, settings: list[str], expected: dict[str, Any]
) -> None:
    launcher.locally(*(part for setting in settings for part in ("--set", setting)), "tune")

    _checked(recorder)
    config = recorder.sent("CreateHyperParameterTuningJob")[0]["HyperParameterTuningJobConfig"]
    assert {name: config[name] for name in expected} == expected


def test_warm_start_names_its_parents(launcher: Launcher, recorder: Recorder) -> None:
    launcher.on_aws("--set", 'tuning.warm_start=["breeds-tune-1"]', "tune")

    _checked(recorder)
    assert recorder.sent("CreateHyperParameterTuningJob")[0]["WarmStartConfig"] == {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "breeds-tune-1"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }


@pytest.mark.parametrize("place", ["locally", "on_aws"])
def test_training_takes_the_best_hyperparameters_and_is_watched(
    launcher: Launcher, recorder: Recorder, place: str
) -> None:
    _tuned(launcher)
    output = getattr(launcher, place)("train")

    _checked(recorder)
    job = _only(recorder, "train")
    assert BEST.items() <= job["HyperParameters"].items()
    assert job["HyperParameters"]["debug"] == job["HyperParameters"]["profile"] == "true"
    assert {c["ChannelName"] for c in job["InputDataConfig"]} == {"data", "features"}
    assert not {"DebugHookConfig", "ProfilerConfig", "CheckpointConfig"} & job.keys()
    result = json.loads((launcher.out / "train.json").read_text())
    assert result["rules"] == RULES
    assert result["model_version"] == "0123456789ab"
    assert "epoch=1 validation:accuracy=0.5" in output


@pytest.mark.parametrize("place", ["locally", "on_aws"])
def test_spot_training_with_managed_rules_is_a_request_that_aws_accepts(
    launcher: Launcher, recorder: Recorder, place: str
) -> None:
    _tuned(launcher)
    getattr(launcher, place)("train", "--spot", "--managed-rules")

    _checked(recorder)
    job = _only(recorder, "train")
    hook = job["DebugHookConfig"]
    assert hook["HookParameters"] == EVERY_STEP
    assert {
        c["CollectionName"]: c["CollectionParameters"] for c in hook["CollectionConfigurations"]
    } == COLLECTIONS
    rules = job["DebugRuleConfigurations"]
    assert [rule["RuleConfigurationName"] for rule in rules] == list(MANAGED_RULES)
    region = "us-east-1" if place == "locally" else "eu-west-1"
    assert all(f".dkr.ecr.{region}." in rule["RuleEvaluatorImage"] for rule in rules)
    (report,) = job["ProfilerRuleConfigurations"]
    assert report["RuleParameters"] == {"rule_to_invoke": "ProfilerReport"}
    assert job["ProfilerConfig"]["S3OutputPath"] == hook["S3OutputPath"]
    assert job["EnableManagedSpotTraining"] is True
    assert job["StoppingCondition"]["MaxWaitTimeInSeconds"] == 14400
    assert job["CheckpointConfig"]["S3Uri"].endswith(f"/{job['TrainingJobName']}/checkpoints")


def test_hyperparameter_set_by_hand_beats_the_tuned_one(
    launcher: Launcher, recorder: Recorder
) -> None:
    _tuned(launcher)
    launcher.locally("--set", "hyperparameters.lr=0.5", "train")

    hyperparameters = _only(recorder, "train")["HyperParameters"]
    assert (hyperparameters["lr"], hyperparameters["batch-size"]) == ("0.5", "64")


def test_trained_backbone_shares_no_features(launcher: Launcher, recorder: Recorder) -> None:
    launcher.locally("--set", "hyperparameters.unfreeze=last-stage", "tune")

    assert recorder.sent("CreateTrainingJob") == []
    definition = recorder.sent("CreateHyperParameterTuningJob")[0]["TrainingJobDefinition"]
    assert [c["ChannelName"] for c in definition["InputDataConfig"]] == ["data"]


@pytest.mark.parametrize("instances", [1, 2])
def test_instances_of_a_trial_talk_to_each_other_encrypted(
    launcher: Launcher, recorder: Recorder, instances: int
) -> None:
    # GIVEN a search whose trials train the backbone, WHEN each trial has several instances
    settings = ("hyperparameters.unfreeze=all", f"jobs.instance_count={instances}")
    launcher.locally(*(part for setting in settings for part in ("--set", setting)), "tune")

    # THEN the request asks for encryption between them
    _checked(recorder)
    definition = recorder.sent("CreateHyperParameterTuningJob")[0]["TrainingJobDefinition"]
    assert definition["ResourceConfig"]["InstanceCount"] == instances
    encrypted = definition.get("EnableInterContainerTrafficEncryption", False)
    assert encrypted == (instances > 1)


def test_data_beside_the_prefix_is_in_no_job(launcher: Launcher, recorder: Recorder) -> None:
    beside = ("data-old/train/1.a/1.jpg", "data.zip")
    recorder.objects |= {f"{LOCAL_BUCKET}/breeds/{name}": b"other" for name in beside}
    output = launcher.locally("tune", "--data", f"s3://{LOCAL_BUCKET}/breeds/data")

    (channel,) = _only(recorder, "features")["InputDataConfig"]
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    assert uri == f"s3://{LOCAL_BUCKET}/breeds/data/"
    assert f"data {uri} (3 objects, " in output


def test_weights_of_a_configuration_are_in_every_jobs_channels(
    launcher: Launcher, recorder: Recorder, tmp_path: Path
) -> None:
    file = tmp_path / "resnet.safetensors"
    file.write_bytes(b"weights")
    setting = f"jobs.weights={file}"
    recipe = str(ROOT / "training" / "jobs" / "recipes" / "resnet50.toml")
    launcher.locally("--config", recipe, "--set", setting, "tune", "--data", DATA)
    launcher.locally("--config", recipe, "--set", setting, "train", "--data", DATA)

    _checked(recorder)
    search = recorder.sent("CreateHyperParameterTuningJob")[0]["TrainingJobDefinition"]
    for job in (*recorder.sent("CreateTrainingJob"), search):
        channels = {
            c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"]
            for c in job["InputDataConfig"]
        }
        assert channels["weights"].startswith(f"s3://{LOCAL_BUCKET}/resnet50/weights/")
    # AND the photos' features were computed once
    assert len(recorder.sent("CreateTrainingJob")) == 2


def test_training_without_a_search_says_what_to_do(launcher: Launcher) -> None:
    assert "make tune" in launcher.locally("train", expect=2)


def test_missing_data_set_says_how_to_upload_one(launcher: Launcher) -> None:
    output = launcher.locally("tune", "--data", "s3://my-bucket/nothing", expect=2)

    assert "python -m training.data upload FOLDER s3://my-bucket/nothing" in output
