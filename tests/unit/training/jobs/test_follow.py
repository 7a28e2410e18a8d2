"""Following a job: every line once, in order, and SageMaker's own words when it fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from training.jobs import follow
from training.jobs.errors import CommandError
from training.jobs.follow import ScriptLines

LOG = """\
2026-11-22 17:27:51,218 sagemaker-training-toolkit INFO     Invoking user script
Training Env:
{
    "channel_input_dirs": {}
}
Environment variables:
SM_HOSTS=["localhost"]
Invoking script with the following command:
/usr/bin/python training/train.py --lr 0.01
epoch=1 validation:accuracy=0.5
2026-11-22 17:27:51,237 sagemaker-training-toolkit INFO     Reporting training SUCCESS
""".splitlines()


class FakeAws:
    """A job that takes one poll for each description; its log grows a line at a time."""

    def __init__(
        self, descriptions: list[dict[str, Any]], lines: list[str], host: str = "127.0.0.1:4566"
    ) -> None:
        self.meta = SimpleNamespace(endpoint_url=f"http://{host}")
        self._descriptions = descriptions
        self._lines = lines
        self._given = 0

    def describe_training_job(self, **_: Any) -> dict[str, Any]:
        self._given += 1
        return self._descriptions[min(self._given, len(self._descriptions)) - 1]

    def describe_log_streams(self, **_: Any) -> dict[str, Any]:
        if self._given == 1:
            raise ClientError(
                {"Error": {"Code": "ResourceNotFoundException"}}, "DescribeLogStreams"
            )
        return {"logStreams": [{"logStreamName": "job/algo-1-1"}]}

    def get_log_events(self, **asked: Any) -> dict[str, Any]:
        start = int(asked.get("nextToken", "f/0").partition("/")[2])
        ended = self._given >= len(self._descriptions)
        end = len(self._lines) if ended else min(start + 1, self._given - 1)
        events = [{"message": line + "\n"} for line in self._lines[start:end]]
        return {"events": events, "nextForwardToken": f"f/{max(start, end)}"}


def _job(status: str, *changes: str, **more: Any) -> dict[str, Any]:
    transitions = [{"Status": change, "StatusMessage": ""} for change in changes]
    return {"TrainingJobStatus": status, "SecondaryStatusTransitions": transitions, **more}


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_S", 0.0)


def test_every_change_and_line_is_told_once_and_in_order() -> None:
    running = _job("InProgress", "Starting")
    aws = FakeAws(
        [running, running, running, _job("Completed", "Starting", "Training", "Completed")],
        ["a", "b", "c"],
    )
    heard: list[str] = []

    job = follow.to_the_end(aws, aws, "job", heard.append)

    assert job["TrainingJobStatus"] == "Completed"
    assert sorted(heard) == ["Completed", "Starting", "Training", "a", "b", "c"]
    assert [line for line in heard if len(line) == 1] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("host", "pause"), [("logs.eu-west-1.amazonaws.com", follow.LAST_LINES_S), ("127.0.0.1:1", 0.0)]
)
def test_lines_that_come_after_the_end_are_waited_for_on_aws(
    host: str, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a log that gets its last line a moment after the job has ended
    lines, slept, heard = ["a"], list[float](), list[str]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            lines.append("the last line")

    monkeypatch.setattr(follow.time, "sleep", sleep)
    aws = FakeAws([_job("InProgress"), _job("Completed")], lines, host)
    # WHEN the job is followed
    follow.to_the_end(aws, aws, "job", heard.append)
    # THEN the line is told, after a pause that only AWS needs
    assert heard == ["a", "the last line"]
    assert slept == [follow.POLL_S, pause]


def test_environment_of_one_instance_hides_no_line_of_another() -> None:
    # GIVEN two instances, the first of which is still printing its environment
    streams = {
        "job/algo-1": ["Training Env:", "{"],
        "job/algo-2": ["Exception: disk full on algo-2"],
    }

    class TwoInstances(FakeAws):
        def describe_log_streams(self, **_: Any) -> dict[str, Any]:
            return {"logStreams": [{"logStreamName": name} for name in streams]}

        def get_log_events(self, **asked: Any) -> dict[str, Any]:
            new = [] if "nextToken" in asked else streams[asked["logStreamName"]]
            return {"events": [{"message": line} for line in new], "nextForwardToken": "f"}

    aws, heard = TwoInstances([_job("Completed")], []), list[str]()
    # WHEN both logs are followed
    follow.to_the_end(aws, aws, "job", heard.append)
    # THEN the second one's error is shown
    assert heard == ["Exception: disk full on algo-2"]


def test_failed_job_ends_with_its_own_reason() -> None:
    aws = FakeAws([_job("Failed", FailureReason="the loss became nan: lower --lr")], [])

    with pytest.raises(CommandError, match="the loss became nan: lower --lr"):
        follow.to_the_end(aws, aws, "job", lambda _: None)


def test_stopped_job_is_no_success() -> None:
    aws = FakeAws([_job("Stopped", SecondaryStatus="MaxRuntimeExceeded")], [])

    with pytest.raises(CommandError, match=r"Stopped \(MaxRuntimeExceeded\)"):
        follow.to_the_end(aws, aws, "job", lambda _: None)


def test_only_the_scripts_lines_are_shown() -> None:
    script = ScriptLines()

    shown = [line for line in LOG if script.wants(line)]

    assert shown == [
        "/usr/bin/python training/train.py --lr 0.01",
        "epoch=1 validation:accuracy=0.5",
    ]
