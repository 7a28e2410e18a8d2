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

from classify.core import OutcomeKind, Report
from classify.errors import RetryableError
from classify.events import Message, Upload

# One a record that is done with, of an acknowledged message: the sum over all outcomes.
UPLOADS_ANSWERED = "UploadsAnswered"
CLASSIFIED = "Classified"
NO_DOG = "NoDog"
REJECTED = "Rejected"
ALREADY_ANSWERED = "AlreadyAnswered"
OBJECT_GONE = "ObjectGone"
IGNORED = "Ignored"
RETRIES_REPORTED = "RetriesReported"
ENDPOINT_CALLS = "EndpointCalls"
ENDPOINT_MILLISECONDS = "EndpointMilliseconds"

_METRIC_OF = {
    OutcomeKind.CLASSIFIED: CLASSIFIED,
    OutcomeKind.NO_DOG: NO_DOG,
    OutcomeKind.REJECTED: REJECTED,
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


def count_batch(messages: Iterable[Message], report: Report, failed: set[str]) -> None:
    """`failed`: ids of the messages that go back; UploadsAnswered waits for their return."""
    counts = Counter({UPLOADS_ANSWERED: 0, RETRIES_REPORTED: len(failed)})
    seen: set[Upload] = set()
    for message in messages:
        counts[IGNORED] += message.ignored
        if message.message_id not in failed:
            counts[UPLOADS_ANSWERED] += len(message.uploads) + message.ignored
        for upload in message.uploads:
            kind = report.outcomes[upload].kind
            if kind in _METRIC_OF:
                counts[ALREADY_ANSWERED if upload in seen else _METRIC_OF[kind]] += 1
            seen.add(upload)
    counts[ENDPOINT_CALLS] = len(report.endpoint_ms)
    for name, count in counts.items():
        if count or name == UPLOADS_ANSWERED:
            _metrics.add_metric(name, MetricUnit.Count, count)
    for milliseconds in report.endpoint_ms:
        _metrics.add_metric(ENDPOINT_MILLISECONDS, MetricUnit.Milliseconds, milliseconds)


def log_batch(messages: Iterable[Message], report: Report, failed: set[str]) -> None:
    for message in messages:
        if message.fault:
            logger.error(
                "Message is not an S3 event", message_id=message.message_id, fault=message.fault
            )
    for upload, outcome in report.outcomes.items():
        details: dict[str, Any] = {
            "key": upload.key,
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
    logger.info(
        "Batch done",
        outcomes=Counter(outcome.kind for outcome in report.outcomes.values()),
        messages_failed=len(failed),
        stage_ms={stage: round(spent) for stage, spent in report.stage_ms.items()},
        endpoint_ms=[round(spent) for spent in report.endpoint_ms],
    )


def count_lost_batch(messages: Sequence[Message]) -> None:
    """Nothing is known but that every message goes back to the queue."""
    _metrics.add_metric(UPLOADS_ANSWERED, MetricUnit.Count, 0)
    _metrics.add_metric(RETRIES_REPORTED, MetricUnit.Count, len(messages))
