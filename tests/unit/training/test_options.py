"""The command line and the folders of a job."""

import re
from pathlib import Path
from typing import get_args

import pytest

from training.errors import JobError
from training.options import Folders, Options, hints, job_name, parse
from training.profiler import Lever


def test_no_arguments_give_the_defaults() -> None:
    assert parse([], "") == Options()


def test_hyperparameters_as_sagemaker_writes_them_are_read() -> None:
    given = {"batch-size": "32.0", "lr": "1e-2", "debug": "True", "stop-on": "Overfit, DeadRelu"}
    options = parse([text for pair in given.items() for text in (f"--{pair[0]}", pair[1])], "")
    assert (options.batch_size, options.lr, options.debug) == (32, 0.01, True)
    assert options.stop_on == ("Overfit", "DeadRelu")
    assert options.to_json()["batch-size"] == 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lr", "0"], "--lr: 0 is not above 0 and at most 10"),
        (["--lr", "nan"], "--lr: nan is not above 0"),
        (["--lr", "fast"], "--lr: invalid number value: 'fast'"),
        (["--batch-size", "32.5"], "--batch-size: 32.5 is not a whole number of at least 1"),
        (["--epochs", "0"], "--epochs: 0 is not a whole number of at least 1"),
        (["--epochs", "inf"], "--epochs: inf is not a whole number"),
        (["--label-smoothing", "1"], "--label-smoothing: 1 is not from 0 to 0.9"),
        (["--debug", "yes"], "--debug: 'yes' is neither true nor false"),
        (["--backbone", "vit"], "--backbone: invalid choice: 'vit'"),
        (["--learning-rate", "1"], "unrecognized arguments: --learning-rate 1"),
        (["--stop-on", "Overfit"], "--stop-on needs --debug true"),
        (["--debug", "true", "--stop-on", "Overfitt"], "'Overfitt' is no rule; they are Vanish"),
    ],
)
def test_bad_hyperparameter_exits_with_2_and_a_line_that_the_toolkit_keeps(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(arguments, "")
    assert exit_.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("ValueError: train.py: ")
    assert message in told


def test_folders_are_sagemakers_when_nothing_is_set() -> None:
    folders = Folders.from_env({})
    assert folders.model == Path("/opt/ml/model")
    assert folders.output == Path("/opt/ml/output/data")
    assert folders.checkpoints == Path("/opt/ml/checkpoints")


def test_folders_follow_the_base_folder_and_their_own_variables(tmp_path: Path) -> None:
    (tmp_path / "input/data/features").mkdir(parents=True)
    environ = {"SAGEMAKER_BASE_DIR": str(tmp_path), "SM_CHANNEL_DATA": "/photos"}
    folders = Folders.from_env(environ | {"SM_MODEL_DIR": "/model"})
    assert (folders.data, folders.model) == (Path("/photos"), Path("/model"))
    assert folders.features == tmp_path / "input/data/features"
    assert folders.weights is None


def test_weights_channel_gives_its_one_file_and_the_option_wins(tmp_path: Path) -> None:
    folders = Folders.from_env({"SM_CHANNEL_WEIGHTS": str(tmp_path)})
    with pytest.raises(JobError, match="holds 0 files, not one"):
        folders.given_weights(None)
    (tmp_path / "resnet50.pth").touch()
    assert folders.given_weights(None) == str(tmp_path / "resnet50.pth")
    assert folders.given_weights("s3://bucket/key") == "s3://bucket/key"


def test_job_name_is_sagemakers() -> None:
    assert job_name({"TRAINING_JOB_NAME": "breeds-1"}) == "breeds-1"
    assert job_name({}) is None


def test_batch_smaller_than_its_processes_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(["--batch-size", "1"], "", processes=2)
    assert exit_.value.code == 2
    assert "--batch-size 1 is less than the 2 processes" in capsys.readouterr().err
    assert parse(["--batch-size", "2"], "", processes=2).batch_size == 2


@pytest.mark.parametrize("unfreeze", ["head", "all"])
def test_hints_name_hyperparameters_that_there_are_and_none_that_change_nothing(
    unfreeze: str,
) -> None:
    options = Options(unfreeze=unfreeze, batch_size=48, views=2)
    made = hints(options)
    named = {name for text in made.values() for name in re.findall(r"--([a-z-]+)", text or "")}
    assert named <= options.to_json().keys()
    assert made["batch size"] == "--batch-size, now 48"
    assert (made["frozen backbone"] is None) == options.frozen
    assert set(made) == set(get_args(Lever))
