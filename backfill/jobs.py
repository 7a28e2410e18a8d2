"""Jobs as executions of the state machine: started, looked at, stopped, gone on with.

The execution `photos-261126-161500-3f2a-2` is the second part of the job of that name. A new part
begins where AWS's limit of an execution is reached, and after a stop.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from botocore.exceptions import ClientError
from lister.job import Job

from training.jobs.errors import CommandError, UsageError

POLL_S = 1.0
STOP_S = 60.0
State = Literal["running", "finished", "stopped", "failed"]
_STATES: dict[str, State] = {"RUNNING": "running", "SUCCEEDED": "finished", "ABORTED": "stopped"}


@dataclass(frozen=True)
class Run:
    """A job as it stands. `words` say why it failed, `ended` when its newest execution did."""

    job: Job
    state: State
    arn: str
    words: str = ""
    ended: datetime | None = None


def new_name(kind: str) -> str:
    return f"{kind}-{time.strftime('%y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:4]}"


def refuse_a_second(states: Any, machine: str | None) -> None:
    """Raises UsageError while a job runs: two would not know each other's messages."""
    if machine is None:
        return
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=machine, statusFilter="RUNNING"
    )
    for page in pages:
        for execution in page["executions"]:
            job, _ = _split(execution["name"])
            raise UsageError(
                f"The job {job} is running. STATUS=1 JOB_NAME={job} shows it, STOP=1 "
                f"JOB_NAME={job} stops it."
            )


def start(states: Any, machine: str, job: Job) -> Run:
    """Raises UsageError while another job runs."""
    refuse_a_second(states, machine)
    return _begin(states, machine, job)


def _begin(states: Any, machine: str, job: Job) -> Run:
    arn: str = states.start_execution(
        stateMachineArn=machine,
        name=f"{job.job}-{job.part}",
        input=json.dumps(job.to_json()),
    )["executionArn"]
    return Run(job, "running", arn)


def find(states: Any, machine: str, name: str = "") -> Run | None:
    """The newest job, or the one of the name; None where there is none."""
    newest: dict[str, Any] | None = None
    for page in states.get_paginator("list_executions").paginate(stateMachineArn=machine):
        for execution in page["executions"]:
            job, part = _split(execution["name"])
            if not name and newest is None:
                name = job
            if job == name and (newest is None or part > _split(newest["name"])[1]):
                newest = execution
        # Newest first: what follows is older than what was found.
        if newest is not None:
            break
    return _look(states, newest) if newest else None


def required(states: Any, machine: str | None, name: str) -> Run:
    """Raises UsageError where there is none."""
    found = find(states, machine, name) if machine else None
    if found is None:
        raise UsageError(f"There is no job {name} here." if name else "There has been no job here.")
    return found


def _split(execution: str) -> tuple[str, int]:
    job, _, part = execution.rpartition("-")
    return (job, int(part)) if part.isdigit() else (execution, 0)


def _look(states: Any, execution: dict[str, Any]) -> Run:
    arn = execution["executionArn"]
    told = states.describe_execution(executionArn=arn)
    state = _STATES.get(told["status"], "failed")
    job = Job.from_json(_last_state(states, arn) or json.loads(told["input"]))
    if state == "finished" and job.next == "renew":
        state = "running"  # its next part is about to be listed
    words = _words(told) if state == "failed" else ""
    return Run(job, state, arn, words, told.get("stopDate"))


def _last_state(states: Any, arn: str) -> dict[str, Any] | None:
    """What the last whole turn has left: an execution that was stopped has no output."""
    pages = states.get_paginator("get_execution_history").paginate(
        executionArn=arn, reverseOrder=True, PaginationConfig={"PageSize": 100}
    )
    for page in pages:
        for event in page["events"]:
            left = event.get("stateExitedEventDetails", {})
            if left.get("name") == "Page":
                state: dict[str, Any] = json.loads(left["output"])
                return state
    return None


def _words(told: dict[str, Any]) -> str:
    """Lambda's cause is JSON with the exception's words in it."""
    cause = told.get("cause") or told.get("error") or told["status"]
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, TypeError, KeyError):
        return str(cause)


def stop(states: Any, machine: str, run: Run) -> Run:
    """Once nothing of the job runs any more. Raises CommandError."""
    deadline = time.monotonic() + STOP_S
    while run.state == "running":
        if time.monotonic() > deadline:
            raise CommandError(f"The job {run.job.job} still runs after {STOP_S:.0f} s.")
        try:
            states.stop_execution(executionArn=run.arn, cause="STOP=1")
        except ClientError as error:
            # It has just ended by itself, or goes on as its next part.
            if states.describe_execution(executionArn=run.arn)["status"] == "RUNNING":
                raise CommandError(f"The job {run.job.job} was not stopped: {error}") from error
        time.sleep(POLL_S)
        run = required(states, machine, run.job.job)
    return run


def may_go_on(states: Any, machine: str | None, run: Run) -> None:
    """Raises UsageError where it has nothing to do, or while it or another job runs."""
    refuse_a_second(states, machine)
    if run.state == "running":
        raise UsageError(f"The job {run.job.job} is running.")
    if run.state == "finished":
        raise UsageError(f"The job {run.job.job} has sent everything.")


def resume(states: Any, machine: str, run: Run) -> Run:
    """A new part, from the last whole turn on. Raises UsageError as may_go_on does."""
    may_go_on(states, machine, run)
    part = _split(run.arn.rsplit(":", 1)[1])[1] + 1
    return _begin(states, machine, replace(run.job, part=part, turns=0, next="turn", wait_s=0))
