"""Follow a training job to its end: each change of its state, each line of its script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import CommandError
from training.jobs.toolkit_log import ScriptLines

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
POLL_S = 2.0
ENDED = ("Completed", "Failed", "Stopped")
Say = Callable[[str], None]


class Log:
    """The lines of a job's log streams that have not been given out yet."""

    def __init__(self, logs: Any, job_name: str) -> None:
        self._logs = logs
        self._job_name = job_name
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> Iterator[str]:
        """One stream an instance, each in its own order."""
        for stream in self._streams():
            yield from self._new_of(stream)

    def _streams(self) -> list[str]:
        try:
            answer = self._logs.describe_log_streams(
                logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self._job_name}/"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return []  # the account's first job has not written yet
            raise
        return [stream["logStreamName"] for stream in answer["logStreams"]]

    def _new_of(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            answer = self._logs.get_log_events(
                logGroupName=LOG_GROUP,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            for event in answer["events"]:
                yield event["message"].rstrip("\n")
            self._tokens[stream] = answer["nextForwardToken"]
            if not answer["events"] or answer["nextForwardToken"] == token:
                return


def to_the_end(sagemaker: Any, logs: Any, job_name: str, say: Say) -> dict[str, Any]:
    """The answer of DescribeTrainingJob once the job has completed.

    `say` hears of changes of state and of each line that the script wrote. Raises CommandError with
    SageMaker's reason when the job ends otherwise.
    """
    log, script, told = Log(logs, job_name), ScriptLines(), 0
    while True:
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=job_name)
        changes = job.get("SecondaryStatusTransitions", [])
        for change in changes[told:]:
            message = change.get("StatusMessage", "")
            say(f"{change['Status']}{': ' + message if message else ''}")
        told = len(changes)
        # After the description: nothing that the job wrote before its end is missed.
        for line in log.new_lines():
            if script.wants(line):
                say(line)
        if job["TrainingJobStatus"] in ENDED:
            break
        time.sleep(POLL_S)
    if job["TrainingJobStatus"] != "Completed":
        raise CommandError(f"Training job {job_name} {_ending(job)}")
    return job


def _ending(job: dict[str, Any]) -> str:
    status = f"ended as {job['TrainingJobStatus']} ({job.get('SecondaryStatus', 'no detail')})"
    reason = job.get("FailureReason") or "SageMaker gives no reason"
    return f"{status}: {reason}. Its log is in CloudWatch Logs, {LOG_GROUP}."
