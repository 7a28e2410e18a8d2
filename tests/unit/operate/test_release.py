"""What `make release` takes for a failure, and how it hands parameters back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from operate.__main__ import main
from operate.release import overrides, watch
from training.jobs.errors import CommandError


class CloudWatch:
    """Answers DescribeAlarms with the next of `states`, each the names that ring."""

    def __init__(self, *states: set[str]) -> None:
        self._states = iter(states)

    def get_paginator(self, operation: str) -> CloudWatch:
        assert operation == "describe_alarms"
        return self

    def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
        assert asked == {"AlarmNamePrefix": "dogs-", "StateValue": "ALARM"}
        yield {"MetricAlarms": [{"AlarmName": name} for name in next(self._states)]}


def no_wait(_seconds: float) -> None:
    pass


def test_alarm_that_rang_before_is_no_failure_and_a_new_one_is() -> None:
    told: list[str] = []
    cloudwatch = CloudWatch({"dogs-dead-letters"}, {"dogs-dead-letters", "dogs-function-errors"})
    with pytest.raises(CommandError, match="alarm dogs-function-errors rings"):
        watch(cloudwatch, "dogs", {"dogs-dead-letters"}, 600, told.append, no_wait)
    assert told == ["watching the alarms dogs-... for 10 min"]


def test_alarms_are_asked_at_least_once() -> None:
    with pytest.raises(CommandError, match="dogs-dead-letters"):
        watch(CloudWatch({"dogs-dead-letters"}), "dogs", set(), 0, lambda _words: None, no_wait)


def test_parameters_pass_the_shell_with_sams_own_quotes_about_them() -> None:
    given = {"AlarmEmail": "", "ModelDataUrl": "s3://b/it's", "Note": 'a "b" \\ c'}
    assert shlex.split(overrides(given)) == [
        'AlarmEmail=""',
        'ModelDataUrl="s3://b/it\'s"',
        'Note="a \\"b\\" \\\\ c"',
    ]


def test_photo_that_cannot_be_read_is_used_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "--photo", "nowhere.jpg"]) == 2
    assert "nowhere.jpg: cannot be read: No such file" in capsys.readouterr().err
