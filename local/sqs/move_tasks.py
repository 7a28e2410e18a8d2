"""StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask: dead letters go back to the
queues that they came from, or to one queue.

Each task is a thread that receives, sends and deletes through the cloud's own SQS. A message is
deleted once it has been sent, so whatever stops a task loses none; one may then come twice, as on
AWS. Tasks are forgotten when the cloud stops.

Codes and words are those that AWS answers with (Amazon SQS API Reference, and its recorded answers
in LocalStack's public snapshot tests).
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.arns import region_of
from local.errors import AwsError
from local.sqs.dead_letters import source_queues

logger = logging.getLogger(__name__)

_BATCH = 10
_MOST_PER_SECOND = 500
_MOST_RESULTS = 10
_NO_SOURCE = "CouldNotDetermineMessageSource"
Client = Callable[[str], Any]


@dataclass
class Task:
    """One move, from RUNNING to COMPLETED, CANCELLED or FAILED."""

    source_arn: str
    destination_arn: str | None
    per_second: int | None
    to_move: int
    started_ms: int
    task_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "RUNNING"
    moved: int = 0
    reason: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def is_active(self) -> bool:
        return self.status in ("RUNNING", "CANCELLING")

    @property
    def handle(self) -> str:
        facts = {"taskId": self.task_id, "sourceArn": self.source_arn}
        return base64.b64encode(json.dumps(facts).encode()).decode()

    def described(self) -> dict[str, Any]:
        return {
            "TaskHandle": self.handle if self.status == "RUNNING" else None,
            "Status": self.status,
            "SourceArn": self.source_arn,
            "DestinationArn": self.destination_arn,
            "MaxNumberOfMessagesPerSecond": self.per_second,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "FailureReason": self.reason,
            "StartedTimestamp": self.started_ms,
        }


class MoveTasks:
    """The three operations. `client` makes the SQS client of a region."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._tasks: list[Task] = []

    def start_message_move_task(self, params: dict[str, Any]) -> dict[str, Any]:
        source, destination = params["SourceArn"], params.get("DestinationArn")
        per_second = params.get("MaxNumberOfMessagesPerSecond")
        if per_second is not None and not 1 <= per_second <= _MOST_PER_SECOND:
            raise _invalid(
                "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must "
                f"enter a number that's between 1 and {_MOST_PER_SECOND}."
            )
        sqs, url = self._queue(source, "SourceArn")
        if not source_queues(sqs, source):
            raise _invalid("Source queue must be configured as a Dead Letter Queue.")
        if destination is not None:
            self._check_destination(source, destination)
        count = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        task = Task(source, destination, per_second, int(count), int(time.time() * 1000))
        with self._lock:
            if any(other.is_active for other in self._of(source)):
                raise _invalid(
                    "There is already a task running. Only one active task is allowed for a source "
                    "queue arn at a given time."
                )
            self._tasks.append(task)
        name = f"move-{task.task_id}"
        threading.Thread(target=self._run, args=(task, sqs, url), daemon=True, name=name).start()
        return {"TaskHandle": task.handle}

    def list_message_move_tasks(self, params: dict[str, Any]) -> dict[str, Any]:
        """The newest first; one, unless more are asked for."""
        most = params.get("MaxResults", 1)
        if not 1 <= most <= _MOST_RESULTS:
            raise _invalid(
                "Value for parameter MaxResults is invalid. Reason: You must enter a number that's "
                f"between 1 and {_MOST_RESULTS}."
            )
        self._queue(params["SourceArn"], "SourceArn")
        newest = self._of(params["SourceArn"])[::-1]
        return {"Results": [task.described() for task in newest[:most]]}

    def cancel_message_move_task(self, params: dict[str, Any]) -> dict[str, Any]:
        try:
            facts = json.loads(base64.b64decode(params["TaskHandle"], validate=True))
            task_id, source = facts["taskId"], facts["sourceArn"]
        except (ValueError, TypeError, KeyError) as error:
            raise _invalid("Value for parameter TaskHandle is invalid.") from error
        self._queue(source, "SourceArn")
        with self._lock:
            task = next((task for task in self._of(source) if task.task_id == task_id), None)
            if task is None:
                raise AwsError("ResourceNotFoundException", "Task does not exist.", 404)
            if task.status != "RUNNING":
                raise _invalid(f"A task that is {task.status} cannot be cancelled.")
            task.status = "CANCELLING"
            task.cancelled.set()
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    def close(self) -> None:
        """The cloud stops: what has not been moved stays where it is."""
        for task in self._tasks:
            task.cancelled.set()

    def _of(self, source_arn: str) -> list[Task]:
        return [task for task in self._tasks if task.source_arn == source_arn]

    def _queue(self, arn: str, parameter: str) -> tuple[Any, str]:
        """The client of a queue's region, and its URL. Raises AwsError where there is none."""
        missing = AwsError(
            "ResourceNotFoundException",
            f"The resource that you specified for the {parameter} parameter doesn't exist.",
            404,
        )
        parts = arn.split(":")
        if len(parts) != 6 or parts[2] != "sqs":
            raise missing
        sqs = self._client(region_of(arn))
        try:
            return sqs, sqs.get_queue_url(QueueName=parts[5])["QueueUrl"]
        except (BotoCoreError, ClientError) as error:
            raise missing from error

    def _check_destination(self, source: str, destination: str) -> None:
        self._queue(destination, "DestinationArn")
        if source == destination:
            raise _invalid("Source queue arn and destination queue arn cannot be the same.")
        if source.endswith(".fifo") != destination.endswith(".fifo"):
            raise _invalid("Source queue and destination queue must be of the same type.")

    def _run(self, task: Task, sqs: Any, url: str) -> None:
        try:
            while not task.cancelled.is_set():
                batch = sqs.receive_message(
                    QueueUrl=url,
                    MaxNumberOfMessages=1 if task.per_second else _BATCH,
                    MessageSystemAttributeNames=["All"],
                    MessageAttributeNames=["All"],
                ).get("Messages", [])
                for message in batch:
                    self._move(task, sqs, url, message)
                if not batch:
                    task.status = "COMPLETED"
                    return
                if task.per_second:
                    task.cancelled.wait(1 / task.per_second)
            task.status = "CANCELLED"
        except AwsError as error:
            task.status, task.reason = "FAILED", error.code
        except Exception as error:  # or it would be RUNNING for ever, and no other may start
            logger.exception("the move of messages from %s failed", task.source_arn)
            task.status, task.reason = "FAILED", repr(error)

    def _move(self, task: Task, sqs: Any, url: str, message: dict[str, Any]) -> None:
        """Raises AwsError, with the message back in its queue."""
        try:
            self._send(task, message)
        except AwsError:
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
            raise
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        task.moved += 1

    def _send(self, task: Task, message: dict[str, Any]) -> None:
        attributes = message["Attributes"]
        arn = task.destination_arn or attributes.get("DeadLetterQueueSourceArn")
        if arn is None:  # somebody put it straight into the dead-letter queue
            raise AwsError(_NO_SOURCE, "The message does not say where it came from.")
        extra = {
            name: attributes[name]
            for name in ("MessageGroupId", "MessageDeduplicationId")
            if name in attributes
        }
        if header := attributes.get("AWSTraceHeader"):
            extra["MessageSystemAttributes"] = {
                "AWSTraceHeader": {"DataType": "String", "StringValue": header}
            }
        try:
            sqs, url = self._queue(arn, "DestinationArn")
            sqs.send_message(
                QueueUrl=url,
                MessageBody=message["Body"],
                MessageAttributes=message.get("MessageAttributes", {}),
                **extra,
            )
        except AwsError as error:
            raise AwsError("AWS.SimpleQueueService.NonExistentQueue", error.message) from error


def _invalid(words: str) -> AwsError:
    return AwsError("InvalidParameterValue", words)
