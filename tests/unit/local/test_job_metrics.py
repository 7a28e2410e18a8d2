"""Metric values out of a job's log, and when a trial is ended early because of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.errors import AwsError
from local.sagemaker.jobs.observed import MetricReader, definitions
from local.sagemaker.tuning.early_stopping import worse_than_median

ACCURACY = {"Name": "validation:accuracy", "Regex": "validation:accuracy=([0-9.]+)"}
LOSS = {"Name": "train:loss", "Regex": r"train:loss=([-+0-9.eEnaif]+)"}
LINE = "epoch=3 train:loss=0.1234 train:accuracy=0.9012 validation:accuracy=0.8301\n"


def _reader(tmp_path: Path, text: str) -> MetricReader:
    log = tmp_path / "log"
    log.write_text(text)
    reader = MetricReader([log], definitions([ACCURACY, LOSS]))
    reader.read_on()
    return reader


def test_last_value_of_each_metric_is_the_final_one(tmp_path: Path) -> None:
    reader = _reader(tmp_path, LINE + "validation:accuracy=0.9\nnothing\n")

    final = {data["MetricName"]: data["Value"] for data in reader.final_data()}
    assert final == {"train:loss": 0.1234, "validation:accuracy": 0.9}
    assert reader.series("validation:accuracy") == [0.8301, 0.9]


@pytest.mark.parametrize(
    "words", ["train:loss=nan", "train:loss=inf", "train:loss=1e", "train:loss=", "loss=1"]
)
def test_text_that_is_no_finite_number_is_no_value(tmp_path: Path, words: str) -> None:
    assert _reader(tmp_path, f"{words}\n").final_data() == []


def test_line_that_is_not_whole_yet_waits(tmp_path: Path) -> None:
    reader = _reader(tmp_path, "validation:accuracy=0.8")
    assert reader.series("validation:accuracy") == []

    with (tmp_path / "log").open("a") as log:
        log.write("301\nvalidation:accuracy=0.7\n")
    reader.read_on()

    assert reader.series("validation:accuracy") == [0.8301, 0.7]


def test_two_values_in_one_line_both_count(tmp_path: Path) -> None:
    reader = _reader(tmp_path, "validation:accuracy=0.1 validation:accuracy=0.2\n")

    assert reader.series("validation:accuracy") == [0.1, 0.2]


@pytest.mark.parametrize(
    ("regex", "words"), [("loss=(", "is not a regular expression"), ("loss=.*", "has no group")]
)
def test_expression_that_can_give_no_value_is_refused(regex: str, words: str) -> None:
    with pytest.raises(AwsError, match=words):
        definitions([{"Name": "loss", "Regex": regex}])


EARLIER = [[0.5, 0.7, 0.9], [0.4, 0.6, 0.8], [0.2, 0.3, 0.3]]  # averages at 2: 0.6, 0.5, 0.25


@pytest.mark.parametrize(
    ("values", "maximise", "stopped"),
    [
        ([0.1, 0.49], True, True),
        ([0.1, 0.51], True, False),
        ([0.1, 0.49], False, False),
        ([0.1, 0.51], False, True),
        ([0.1], True, False),  # too soon
        ([], True, False),
        # at 3: 0.7, 0.6, 0.27
        ([0.9, 0.9, 0.59], True, True),
        ([0.1, 0.1, 0.61], True, False),
    ],
)
def test_trial_is_ended_when_it_is_worse_than_the_median(
    values: list[float], maximise: bool, stopped: bool
) -> None:
    assert worse_than_median(values, EARLIER, maximise) is stopped


def test_two_earlier_trials_say_too_little() -> None:
    assert not worse_than_median([0.0, 0.0], EARLIER[:2], maximise=True)
    assert not worse_than_median([0.0, 0.0], [*EARLIER[:2], [0.9]], maximise=True)
