"""The jobs' configuration: what is accepted, and what a wrong one says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.jobs.config import Categorical, Continuous, checked_hyperparameter, load
from training.jobs.definition import JobDefinition, Place, script_mode, training_request
from training.jobs.errors import UsageError


def test_default_file_holds_the_usual_search() -> None:
    config = load()

    assert config.ranges == {
        "lr": Continuous(0.001, 0.1, "Logarithmic"),
        "batch-size": Categorical(("32", "64")),
    }
    assert config.jobs.instance_type == "ml.m5.xlarge"
    assert config.shares_features


@pytest.mark.parametrize("name", ["default", "extended", "grid"])
def test_every_set_of_ranges_of_the_default_file_is_valid(name: str) -> None:
    assert load(overrides=[f"tuning.ranges={name}"]).ranges


def test_overrides_take_toml_and_bare_words() -> None:
    config = load(
        overrides=["tuning.max_jobs=4", "jobs.name=cats", "hyperparameters.debug=true",
                   'tuning.warm_start=["a", "b"]', "hyperparameters.lr=0.01"]
    )  # fmt: skip

    assert (config.tuning.max_jobs, config.jobs.name) == (4, "cats")
    assert config.tuning.warm_start == ["a", "b"]
    assert config.hyperparameters["debug"] == "true"
    assert config.hyperparameters["lr"] == "0.01"


def test_tuned_backbone_cannot_share_features() -> None:
    config = load(
        overrides=['ranges.default.backbone={categorical=["resnet50", "efficientnet_lite0"]}']
    )

    assert not config.shares_features


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("tuning.strategy=Clever", "[tuning] strategy = 'Clever': Input should be 'Bayesian'"),
        ("tuning.strategy=Grid", "lr of [ranges.default]"),
        ("tuning.strategy=Hyperband", "Hyperband stops trials itself"),
        ("tuning.ranges=none", "no [ranges.none] here, only default, extended, grid"),
        ("tuning.max_jobs=0", "max_jobs must be at least 1"),
        ("tuning.max_jobs=many", "max_jobs = 'many': Input should be a valid integer"),
        ("tuning.max_parallel_jobs=0", "max_parallel_jobs = 0: Input should be greater than"),
        ('tuning.warm_start=["a", "b", "c", "d", "e", "f"]', "at most 5 items"),
        ("jobs.volume_gb=true", "volume_gb = True: Input should be a valid integer"),
        ("tuning.max_job=3", "[tuning] max_job is not known"),
        ("jobs.name=Dogs", "[jobs] name = 'Dogs': expected lower-case letters"),
        ("jobs.name=dogs-and-cats", "at most 9 characters"),
        ("jobs.instance_type=m5.large", "expected a SageMaker instance type such as ml."),
        ("jobs.max_wait_s=10", "max_wait_s must not be below max_runtime_s"),
        ("ranges.default.lr={continuous=[0.1, 0.01]}", "lr: 0.1 is not below 0.01"),
        ("ranges.default.lr={continuous=[0, 1], scaling='Logarithmic'}", "above 0"),
        ("ranges.default.lr={categorical=[1, 1]}", "different values"),
        ("ranges.default.lr=3", "expected one of categorical, continuous, integer"),
        ("nonsense.key=1", "[nonsense] is not known"),
        ("max_jobs", "expected table.key=value"),
    ],
)
def test_wrong_value_is_named(override: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(overrides=[override])
    assert words in str(caught.value)


def test_grid_with_another_number_of_jobs_is_refused() -> None:
    grid = ["tuning.strategy=Grid", "tuning.ranges=grid"]

    with pytest.raises(UsageError, match="8 combinations"):
        load(overrides=[*grid, "tuning.max_jobs=5"])
    assert load(overrides=[*grid, "tuning.max_jobs=8"])


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: cannot be read"):
        load(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[jobs")
    with pytest.raises(UsageError, match=r"broken\.toml: not TOML"):
        load(broken)


@pytest.mark.parametrize(
    "value",
    ["My dogs", "dog's", 'a"b', "$HOME", "a;b", "a|b", "a&b", "a>b", "`id`", "a\nb", "a\\b", "*.pt",
     "~/w", "#1", "(a)", "{a}", "!x", "H\u00fcndin", "\u72ac", "-x", "null", "a\tb", ""],
)  # fmt: skip
def test_value_that_a_shell_would_change_is_refused_before_anything_starts(value: str) -> None:
    with pytest.raises(UsageError, match="hyperparameter model-name"):
        load(overrides=[f"hyperparameters.model-name={json.dumps(value)}"])
    with pytest.raises(UsageError, match="hyperparameter model-name"):
        script_mode({"model-name": value}, "s3://b/source.tar.gz")


@pytest.mark.parametrize(
    "value", ["dogs", "v1.2", "1e-3", "s3://b/w.pth", "Overfit,DeadRelu", "a=b", "50%", "true"]
)
def test_value_that_a_shell_leaves_alone_is_taken(value: str) -> None:
    checked_hyperparameter("model-name", value)


@pytest.mark.parametrize("name", ["lr;id", "--lr", "batch size", "x", ""])
def test_name_that_a_shell_would_change_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="expected a name such as batch-size"):
        checked_hyperparameter(name, "1")


def test_categorical_value_that_a_shell_would_change_is_refused() -> None:
    wide = 'ranges.default.head={categorical=["linear", "a b"]}'
    with pytest.raises(UsageError, match="hyperparameter head = 'a b'"):
        load(overrides=[wide])


def test_jobs_of_several_instances_run_torchrun_and_may_stream_the_photos() -> None:
    config = load(overrides=["jobs.instance_count=2", "jobs.input_mode=FastFile"])
    job = JobDefinition("breeds-1", {"lr": "0.03"}, {"data": "s3://b/d/", "features": "s3://b/f"})
    request = training_request(job, Place("image", "role", "s3://b/s", "s3://b/o"), config.jobs)

    assert request["ResourceConfig"]["InstanceCount"] == 2
    assert request["HyperParameters"]["sagemaker_torch_distributed_enabled"] == "true"
    assert request["EnableInterContainerTrafficEncryption"]
    modes = {one["ChannelName"]: one.get("InputMode") for one in request["InputDataConfig"]}
    assert modes == {"data": "FastFile", "features": None}


def test_job_of_one_instance_is_asked_for_as_ever() -> None:
    job = JobDefinition("breeds-1", {"lr": "0.03"}, {"data": "s3://b/d/"})
    request = training_request(job, Place("image", "role", "s3://b/s", "s3://b/o"), load().jobs)

    assert request["ResourceConfig"]["InstanceCount"] == 1
    assert "sagemaker_torch_distributed_enabled" not in request["HyperParameters"]
    assert "InputMode" not in request["InputDataConfig"][0]


def test_trials_that_share_features_stay_on_one_instance() -> None:
    several = ["jobs.instance_count=4"]
    assert load(overrides=several).trial_instances == 1
    assert load(overrides=[*several, "hyperparameters.unfreeze=last-stage"]).trial_instances == 4
