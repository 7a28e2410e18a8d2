"""Lambda entry point `classify.handler.handle`: SQS messages that hold S3 ObjectCreated events.

Answers {"batchItemFailures": [...]} (ReportBatchItemFailures): the messages named there go back to
the queue, all others are done with. Environment variables: see classify.settings.
"""

from collections.abc import Iterable
from typing import Any

from classify.clients import connect
from classify.core import OutcomeKind, Report, classify_batch
from classify.deadline import Deadline
from classify.events import Message, read_messages
from classify.observability import count_batch, count_lost_batch, log_batch, logger, observed
from classify.settings import Settings

SETTINGS = Settings.from_env()
PORTS = connect(SETTINGS)


@observed
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    # Raises on what is no SQS event: there is no message to acknowledge or to name.
    messages = read_messages(event)
    try:
        report = classify_batch(
            (upload for message in messages for upload in message.uploads),
            PORTS,
            Deadline(context.get_remaining_time_in_millis),
            SETTINGS.max_pixels,
            SETTINGS.retention_days,
        )
    except Exception:  # noqa: BLE001 - the one boundary: whatever it was, the queue keeps all
        # Rows that were written meanwhile are found when the messages return.
        logger.exception("Batch failed")
        count_lost_batch(messages)
        return _failures(message.message_id for message in messages)
    failed = {message.message_id for message in messages if not _is_done(message, report)}
    count_batch(messages, report, failed)
    log_batch(messages, report, failed)
    return _failures(message.message_id for message in messages if message.message_id in failed)


def _is_done(message: Message, report: Report) -> bool:
    """A message is acknowledged when every record in it is."""
    outcomes = (report.outcomes[upload].kind for upload in message.uploads)
    return not message.fault and OutcomeKind.RETRY not in outcomes


def _failures(message_ids: Iterable[str]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}
