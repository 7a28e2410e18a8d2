"""Logs, metrics and traces: every metric name, and the only place that knows the tracer.

Powertools reads POWERTOOLS_SERVICE_NAME (the metrics' one dimension), POWERTOOLS_METRICS_NAMESPACE
and POWERTOOLS_LOG_LEVEL. The X-Ray SDK ends on 2027-02-25; this module is all that has to change
then.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from classify.errors import RetryableError
from classify.events import Message, Upload
from classify.outcomes import OutcomeKind, Report

# One a record that is done with, of an acknowledged message: the sum over all outcomes.
UPLOADS_ANSWERED = "UploadsAnswered"
# The same of a back-fill's messages, which the alarm on uploads without an answer must not count.
BACKFILL_ANSWERED = "BackfillAnswered"
CLASSIFIED = "Classified"
UNKNOWN_BREED = "UnknownBreed"
NO_DOG = "NoDog"
REJECTED = "Rejected"
DELETED = "Deleted"
ALREADY_ANSWERED = "AlreadyAnswered"
OBJECT_GONE = "ObjectGone"
IGNORED = "Ignored"
RETRIES_REPORTED = "RetriesReported"
# Of those, the ones that have failed for more than a minute: see REPEATED_FROM_RECEIVE.
REPEATED_RETRIES = "RepeatedRetries"
ENDPOINT_CALLS = "EndpointCalls"
ENDPOINT_MILLISECONDS = "EndpointMilliseconds"
THUMBNAILS_LEFT_BEHIND = "ThumbnailsLeftBehind"

# By classify.waits that is 5 + 10 + 20 + 40 s after the first try: a throttled moment is over by
# then, an outage is not.
REPEATED_FROM_RECEIVE = 5

_METRIC_OF = {
    OutcomeKind.CLASSIFIED: CLASSIFIED,
    OutcomeKind.UNKNOWN_BREED: UNKNOWN_BREED,
    OutcomeKind.NO_DOG: NO_DOG,
    OutcomeKind.REJECTED: REJECTED,
    OutcomeKind.DELETED: DELETED,
    OutcomeKind.ALREADY_ANSWERED: ALREADY_ANSWERED,
    OutcomeKind.OBJECT_GONE: OBJECT_GONE,
}

logger = Logger()
_metrics = Metrics()
# Off by itself outside Lambda. Patching botocore alone gives one subsegment an AWS call.
_tracer = Tracer(patch_modules=("botocore",))
# Without a trace header (a local emulator) the SDK warns at every AWS call.
logging.getLogger("aws_xray_sdk").setLevel(logging.ERROR)

Handler: TypeAlias = Callable[[dict[str, Any], Any], dict[str, Any]]


def observed(handler: Handler) -> Handler:
    """A handler with request ids in its logs, its metrics flushed at the end, and a trace."""
    traced = _tracer.capture_lambda_handler(handler, capture_response=False)
    measured = _metrics.log_metrics(traced, raise_on_empty_metrics=False)
    return logger.inject_lambda_context(measured)


def count_batch(messages: Sequence[Message], report: Report, failed: Sequence[Message]) -> None:
    """`failed`: those of the messages that go back; UploadsAnswered waits for their return."""
    _count_messages(messages, report, failed)
    _count(ENDPOINT_CALLS, len(report.endpoint_ms))
    for milliseconds in report.endpoint_ms:
        _metrics.add_metric(ENDPOINT_MILLISECONDS, MetricUnit.Milliseconds, milliseconds)
    _count(THUMBNAILS_LEFT_BEHIND, len(report.thumbnails_left))


def count_acknowledged(messages: Sequence[Message], report: Report) -> None:
    """Sent at once, for what comes next may end the process. Not to be counted again."""
    _count_messages(messages, report, failed=())
    _metrics.flush_metrics()


def count_lost_batch(messages: Sequence[Message]) -> None:
    """Nothing is known but that every message goes back to the queue."""
    _count_messages((), Report(), failed=messages)


def _count_messages(messages: Sequence[Message], report: Report, failed: Sequence[Message]) -> None:
    counts = Counter(
        {
            RETRIES_REPORTED: len(failed),
            REPEATED_RETRIES: sum(
                message.receive_count >= REPEATED_FROM_RECEIVE for message in failed
            ),
        }
    )
    seen: set[Upload] = set()
    for message in messages:
        counts[IGNORED] += message.ignored
        if message not in failed:
            asked = any(upload.job for upload in message.uploads)
            counts[BACKFILL_ANSWERED if asked else UPLOADS_ANSWERED] += (
                len(message.uploads) + message.ignored
            )
        for upload in message.uploads:
            kind = report.outcomes[upload].kind
            if kind in _METRIC_OF:
                counts[ALREADY_ANSWERED if upload in seen else _METRIC_OF[kind]] += 1
            seen.add(upload)
    # The alarm on what was never answered needs a value of every batch.
    _metrics.add_metric(UPLOADS_ANSWERED, MetricUnit.Count, counts.pop(UPLOADS_ANSWERED, 0))
    for name, count in counts.items():
        _count(name, count)


def _count(name: str, count: int) -> None:
    if count:
        _metrics.add_metric(name, MetricUnit.Count, count)


def log_batch(messages: Iterable[Message], report: Report, failed: Sequence[Message]) -> None:
    for message in messages:
        if message.fault:
            logger.error(
                "Message is not an S3 event", message_id=message.message_id, fault=message.fault
            )
    for upload, outcome in report.outcomes.items():
        details: dict[str, Any] = {
            "key": upload.image_key,
            "sequencer": upload.sequencer,
            "error": str(outcome.error),
        }
        if outcome.kind is OutcomeKind.REJECTED:
            logger.info("Photo rejected", **details)
        elif outcome.kind is OutcomeKind.OBJECT_GONE:
            logger.info("Object is gone", **details)
        elif outcome.kind is OutcomeKind.RETRY:
            known = isinstance(outcome.error, RetryableError)
            logger.warning(
                "Photo goes back to the queue", exc_info=None if known else outcome.error, **details
            )
    for thumbnail, why in report.thumbnails_left.items():
        logger.warning("Thumbnail left behind", thumbnail=thumbnail, error=why)
    logger.info(
        "Batch done",
        outcomes=Counter(outcome.kind for outcome in report.outcomes.values()),
        messages_failed=len(failed),
        stage_ms={stage: round(spent) for stage, spent in report.stage_ms.items()},
        endpoint_ms=[round(spent) for spent in report.endpoint_ms],
    )
