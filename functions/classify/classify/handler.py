"""Lambda entry point `classify.handler.handle`: SQS messages that hold S3 event notifications.

Answers {"batchItemFailures": [...]} (ReportBatchItemFailures): the messages named there go back to
the queue, for as long as classify.waits says; all others are done with. Environment variables: see
classify.settings.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from classify.clients import connect
from classify.core import classify_batch
from classify.deadline import Deadline
from classify.events import Message, read_messages
from classify.observability import (
    count_acknowledged,
    count_batch,
    count_lost_batch,
    log_batch,
    logger,
    observed,
)
from classify.outcomes import OutcomeKind, Report
from classify.settings import Settings
from classify.waits import wait_s

SETTINGS = Settings.from_env()
PORTS = connect(SETTINGS)
# One call to SQS and the answer to Lambda.
GIVE_BACK_RESERVE_S = 4.0


@dataclass
class _Left:
    """The messages of a batch that SQS has not been told to delete."""

    messages: list[Message]
    queue_url: str
    deadline: Deadline
    waits_set: bool = False

    def before_risk(self, report: Report) -> None:
        """What is done with is acknowledged; what is left has its wait before the first risk, so
        that a crash parts what came together.
        """
        done = [message for message in self.messages if _is_done(message, report)]
        if done and _acknowledged(self.queue_url, done):
            count_acknowledged(done, report)
            self.messages = [message for message in self.messages if message not in done]
        if not self.waits_set:
            self.waits_set = True
            least_s = math.ceil(self.deadline.remaining_s())
            _set_waits(self.queue_url, self.messages, self.deadline, least_s)


@observed
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    # Raises on what is no SQS event: there is no message to acknowledge or to name.
    messages = read_messages(event, SETTINGS.upload_bucket)
    # A batch is of one queue.
    queue_url = SETTINGS.queue_of(next((each.queue_arn for each in messages), ""))
    deadline = Deadline(context.get_remaining_time_in_millis)
    left = _Left(messages, queue_url, deadline)
    try:
        report = classify_batch(
            (upload for message in messages for upload in message.uploads),
            PORTS,
            deadline,
            SETTINGS.max_pixels,
            SETTINGS.retention_days,
            left.before_risk,
        )
    except Exception:  # noqa: BLE001 - the one boundary: whatever it was, the queue keeps all
        # Rows that were written meanwhile are found when the messages return.
        logger.exception("Batch failed")
        count_lost_batch(left.messages)
        return _give_back(queue_url, left.messages, deadline)
    failed = [message for message in left.messages if not _is_done(message, report)]
    count_batch(left.messages, report, failed)
    log_batch(messages, report, failed)
    return _give_back(queue_url, failed, deadline)


def _is_done(message: Message, report: Report) -> bool:
    """A message is acknowledged when every record in it is."""
    outcomes = [report.outcomes.get(upload) for upload in message.uploads]
    return not message.fault and all(
        outcome and outcome.kind is not OutcomeKind.RETRY for outcome in outcomes
    )


def _acknowledged(queue_url: str, done: Iterable[Message]) -> bool:
    try:
        PORTS.acknowledge(queue_url, [message.receipt_handle for message in done])
    except Exception:  # noqa: BLE001 - they are acknowledged by the answer to Lambda all the same
        logger.exception("Messages not acknowledged early")
        return False
    return True


def _give_back(queue_url: str, failed: Sequence[Message], deadline: Deadline) -> dict[str, Any]:
    """The answer to Lambda, once SQS knows how long each message has to wait."""
    _set_waits(queue_url, failed, deadline)
    return {"batchItemFailures": [{"itemIdentifier": each.message_id} for each in failed]}


def _set_waits(
    queue_url: str, messages: Sequence[Message], deadline: Deadline, least_s: int = 0
) -> None:
    """None comes back within `least_s`: for so long this invocation may be at work on it."""
    try:
        if messages:
            deadline.require(GIVE_BACK_RESERVE_S, "setting the waits")
            waits = {each.receipt_handle: _wait_s(each, least_s) for each in messages}
            PORTS.give_back(queue_url, waits)
    except Exception:  # noqa: BLE001 - nothing is lost: they keep the time-out that they have
        logger.exception("Waits not set")


def _wait_s(message: Message, least_s: int) -> int:
    # What cannot be read costs nothing to try and never gets better: on to the dead-letter queue.
    tries = 1 if message.fault else message.receive_count
    wait = wait_s(tries, SETTINGS.first_wait_s, SETTINGS.longest_wait_s)
    # Added, not raised to it: equal waits would keep the company together.
    return wait if wait > least_s else least_s + wait
