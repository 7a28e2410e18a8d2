"""Jobs as executions: which is the newest, where a stopped one goes on, what stop waits for."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lister.job import PHOTOS, Counts, Job

from backfill import jobs
from training.jobs.errors import UsageError


class FakeStates:
    """Step Functions, as far as jobs use it: executions newest first, histories backwards."""

    def __init__(self) -> None:
        self.executions: dict[str, dict[str, Any]] = {}
        self.histories: dict[str, list[dict[str, Any]]] = {}
        self._clock = itertools.count()

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Any:  # noqa: N803 - boto's names
        arn = f"arn:{stateMachineArn}:{name}"
        assert arn not in self.executions
        self.executions[arn] = {
            "executionArn": arn,
            "name": name,
            "status": "RUNNING",
            "input": input,
            "at": next(self._clock),
        }
        self.histories[arn] = []
        return {"executionArn": arn}

    def turn(self, arn: str, job: Job) -> None:
        """A whole turn has left this, and the machine is at work on the next one."""
        left = {"name": "Page", "output": json.dumps(job.to_json())}
        self.histories[arn] += [
            {"type": "TaskStateExited", "stateExitedEventDetails": left},
            {"type": "WaitStateExited", "stateExitedEventDetails": {"name": "Pause", "output": ""}},
            *({"type": "TaskFailed"} for _ in range(30)),
        ]

    def end(self, arn: str, status: str, cause: str = "") -> None:
        self.executions[arn] |= {"status": status, "cause": cause}

    def stop_execution(self, *, executionArn: str, cause: str) -> None:  # noqa: N803
        if self.executions[executionArn]["status"] != "RUNNING":
            message = "Execution is not running"
            raise ClientError({"Error": {"Code": "Validation", "Message": message}}, "Stop")
        self.end(executionArn, "ABORTED", cause)

    def describe_execution(self, *, executionArn: str) -> Any:  # noqa: N803
        return self.executions[executionArn]

    def get_paginator(self, name: str) -> Any:
        return {"list_executions": _Listed, "get_execution_history": _History}[name](self)


class _Listed:
    def __init__(self, states: FakeStates) -> None:
        self._states = states

    def paginate(self, statusFilter: str = "", **_: Any) -> Iterator[Any]:  # noqa: N803
        newest = sorted(self._states.executions.values(), key=lambda each: -each["at"])
        wanted = [each for each in newest if statusFilter in ("", each["status"])]
        yield from ({"executions": [each]} for each in wanted)


class _History:
    def __init__(self, states: FakeStates) -> None:
        self._states = states

    def paginate(self, *, executionArn: str, reverseOrder: bool, **_: Any) -> Iterator[Any]:  # noqa: N803
        assert reverseOrder
        events = self._states.histories[executionArn][::-1]
        yield from ({"events": events[start : start + 10]} for start in range(0, len(events), 10))


JOB = Job("photos-1", PHOTOS, bucket="b", started="2026")


def moved(job: Job, **more: Any) -> Job:
    return replace(job, place={"after": "k"}, counts=Counts(5, 2, 3, 1), turns=9, **more)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def test_nothing_was_there_before_the_first_job() -> None:
    assert jobs.find(FakeStates(), "m") is None
    with pytest.raises(UsageError, match="no job here"):
        jobs.required(FakeStates(), None, "")


def test_newest_job_is_found_with_what_its_last_whole_turn_left() -> None:
    states = FakeStates()
    first = jobs.start(states, "m", JOB)
    states.end(first.arn, "SUCCEEDED")
    second = jobs.start(states, "m", replace(JOB, job="photos-2"))
    states.turn(second.arn, moved(second.job))
    found = jobs.required(states, "m", "")
    assert (found.job.job, found.state, found.job.counts.sent) == ("photos-2", "running", 3)
    assert jobs.required(states, "m", "photos-1").state == "finished"
    with pytest.raises(UsageError, match="no job photos-9"):
        jobs.required(states, "m", "photos-9")


def test_second_job_does_not_start_while_one_runs() -> None:
    states = FakeStates()
    jobs.start(states, "m", JOB)
    with pytest.raises(UsageError, match="photos-1 is running"):
        jobs.start(states, "m", replace(JOB, job="photos-2"))


def test_stopped_job_goes_on_from_its_last_whole_turn() -> None:
    states = FakeStates()
    run = jobs.start(states, "m", JOB)
    states.turn(run.arn, moved(JOB, next="wait", wait_s=15))
    stopped = jobs.stop(states, "m", run)
    assert stopped.state == "stopped"
    again = jobs.resume(states, "m", stopped)
    assert again.arn.endswith(":photos-1-2")
    given = Job.from_json(json.loads(states.executions[again.arn]["input"]))
    assert given == replace(moved(JOB), part=2, turns=0)


def test_stop_follows_a_job_that_goes_on_as_a_new_execution() -> None:
    # GIVEN a job that was looked at, and has gone on as its second part meanwhile
    states = FakeStates()
    run = jobs.start(states, "m", JOB)
    states.turn(run.arn, moved(JOB, part=2, next="renew"))
    states.end(run.arn, "SUCCEEDED")
    assert jobs.required(states, "m", "").state == "running"
    second = states.start_execution(
        stateMachineArn="m", name="photos-1-2", input=json.dumps(moved(JOB, part=2).to_json())
    )["executionArn"]
    assert jobs.stop(states, "m", run).arn == second
    assert states.executions[second]["status"] == "ABORTED"


def test_failed_job_says_the_lister_s_words_and_goes_on() -> None:
    states = FakeStates()
    run = jobs.start(states, "m", JOB)
    cause = json.dumps({"errorType": "RefusedError", "errorMessage": "s3://b cannot be listed"})
    states.end(run.arn, "FAILED", cause)
    failed = jobs.required(states, "m", "")
    assert (failed.state, failed.words) == ("failed", "s3://b cannot be listed")
    assert jobs.resume(states, "m", failed).job.part == 2


@pytest.mark.parametrize(
    ("status", "words"), [("RUNNING", "is running"), ("SUCCEEDED", "sent all")]
)
def test_only_what_has_stopped_is_resumed(status: str, words: str) -> None:
    states = FakeStates()
    run = jobs.start(states, "m", JOB)
    states.end(run.arn, status)
    with pytest.raises(UsageError, match=words.replace("all", "everything")):
        jobs.resume(states, "m", jobs.required(states, "m", ""))


def test_older_job_does_not_go_on_beside_one_that_runs() -> None:
    states = FakeStates()
    older = jobs.start(states, "m", Job("photos-1", PHOTOS, bucket="b"))
    states.end(older.arn, "ABORTED")
    jobs.start(states, "m", Job("photos-2", PHOTOS, bucket="b"))
    with pytest.raises(UsageError, match="photos-2 is running"):
        jobs.resume(states, "m", jobs.required(states, "m", "photos-1"))


def test_stop_of_what_has_just_ended_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "POLL_S", 0)
    states = FakeStates()
    run = jobs.start(states, "m", Job("photos-1", PHOTOS, bucket="b"))
    states.end(run.arn, "SUCCEEDED")
    # The run is from a moment ago.
    assert jobs.stop(states, "m", run).state == "finished"
