"""Follow a training job to its end: each change of its state, each line of its script."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from training.jobs.errors import CommandError
from training.jobs.local_cloud import is_local

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
POLL_S = 2.0
# CloudWatch may have a job's last lines only after SageMaker has called the job ended. The SDK's
# own follower pauses once more for them (session_helper.py, its state JOB_COMPLETE).
LAST_LINES_S = 5.0
ENDED = ("Completed", "Failed", "Stopped")
Say = Callable[[str], None]
# The toolkit prints its environment as JSON and as variables between these two lines.
_DUMP_BEGINS = "Training Env:"
_DUMP_ENDS = "Invoking script with the following command:"
_OWN_LINES = re.compile(
    r"^\d{4}-\d\d-\d\d \S+ sagemaker[-_]\S+ +(INFO|DEBUG) |^Returning the value itself$"
)


class Log:
    """The lines of a job's log streams that have not been given out yet."""

    def __init__(self, logs: Any, job_name: str) -> None:
        self._logs = logs
        self._job_name = job_name
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> Iterator[tuple[str, str]]:
        """(stream, line); one stream an instance, each in its own order."""
        for stream in self._streams():
            for line in self._new_of(stream):
                yield stream, line

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


class ScriptLines:
    """Tells a script's lines from the hundreds that AWS's toolkit writes around them.

    Each log stream needs its own. Only what is shown is filtered; CloudWatch Logs keeps everything.
    """

    def __init__(self) -> None:
        self._in_dump = False

    def wants(self, line: str) -> bool:
        """Whether to show `line`, the next one of the stream."""
        if line.startswith(_DUMP_BEGINS):
            self._in_dump = True
        elif line.startswith(_DUMP_ENDS):
            self._in_dump = False
            return False
        return bool(line.strip()) and not self._in_dump and not _OWN_LINES.match(line)


def to_the_end(sagemaker: Any, logs: Any, job_name: str, say: Say) -> dict[str, Any]:
    """The answer of DescribeTrainingJob once the job has completed.

    `say` hears of changes of state and of each line that the script wrote. Raises CommandError with
    SageMaker's reason when the job ends otherwise.
    """
    log, scripts, told = Log(logs, job_name), defaultdict[str, ScriptLines](ScriptLines), 0

    def say_lines() -> None:
        for stream, line in log.new_lines():
            if scripts[stream].wants(line):
                say(line)

    while True:
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=job_name)
        changes = job.get("SecondaryStatusTransitions", [])
        for change in changes[told:]:
            message = change.get("StatusMessage", "")
            say(f"{change['Status']}{': ' + message if message else ''}")
        told = len(changes)
        say_lines()
        if job["TrainingJobStatus"] in ENDED:
            break
        time.sleep(POLL_S)
    time.sleep(0.0 if is_local(logs) else LAST_LINES_S)
    say_lines()
    if job["TrainingJobStatus"] != "Completed":
        raise CommandError(f"Training job {job_name} {_ending(job)}")
    return job


def _ending(job: dict[str, Any]) -> str:
    status = f"ended as {job['TrainingJobStatus']} ({job.get('SecondaryStatus', 'no detail')})"
    reason = job.get("FailureReason") or "SageMaker gives no reason"
    return f"{status}: {reason}. Its log is in CloudWatch Logs, {LOG_GROUP}."
