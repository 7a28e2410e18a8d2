"""The AWS clients, with explicit time-outs and retries, wired to the core's ports.

By botocore: boto3 would make the same ones, and import resources and transfers for 50 ms more.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session

from classify import endpoint, queue, store, table
from classify.ports import Ports
from classify.settings import Settings
from classify.writes import WRITE_RESERVE_S

ENDPOINT_CONNECT_TIMEOUT_S = 2.0


def connect(settings: Settings) -> Ports:
    """Builds the clients that every batch needs: about 0.2 s, so once, at import."""
    session = Session()
    s3 = _client(session, "s3", connect_timeout_s=2, read_timeout_s=10, attempts=3)
    dynamodb = _client(session, "dynamodb", connect_timeout_s=1, read_timeout_s=2, attempts=3)
    # Only what fails needs it, and one attempt will do: the queue has a time-out of its own.
    sqs = cache(lambda: _client(session, "sqs", connect_timeout_s=1, read_timeout_s=2, attempts=1))
    # One attempt: classify.endpoint repeats, and looks at the clock before it does.
    runtime = _client(
        session,
        "sagemaker-runtime",
        connect_timeout_s=ENDPOINT_CONNECT_TIMEOUT_S,
        read_timeout_s=settings.endpoint_timeout_s,
        attempts=1,
    )
    return wire(settings, s3, dynamodb, runtime, sqs)


def wire(settings: Settings, s3: Any, dynamodb: Any, runtime: Any, sqs: Callable[[], Any]) -> Ports:
    """The ports over given clients, the queue's made at its first use: what tests replace."""
    attempt_s = ENDPOINT_CONNECT_TIMEOUT_S + settings.endpoint_timeout_s
    worst_case_s = attempt_s + WRITE_RESERVE_S
    name, bucket = settings.predictions_table, settings.upload_bucket
    return Ports(
        known_rows=lambda keys: table.known_rows(dynamodb, name, keys),
        read_object=lambda upload: store.read_object(s3, upload, settings.max_object_bytes),
        current_version=lambda removal: store.current_version(s3, removal),
        listed_now=lambda upload: store.listed_now(s3, upload),
        predict=lambda jpegs, attempts, deadline, on_call: endpoint.predict(
            runtime, settings.endpoint_name, jpegs, attempts, deadline, worst_case_s, on_call
        ),
        put_row=lambda row: table.put_row(dynamodb, name, row),
        put_restored_row=lambda row: table.put_restored_row(dynamodb, name, row),
        replace_answer=lambda row, known: table.replace_answer(dynamodb, name, row, known),
        keep_row=lambda key, known, sequencer: table.keep_row(
            dynamodb, name, key, known, sequencer
        ),
        put_thumbnail=lambda upload, jpeg: store.put_thumbnail(s3, bucket, upload, jpeg),
        delete_thumbnail=lambda key: store.delete_thumbnail(s3, bucket, key),
        delete_older_thumbnails=lambda upload, sequencer: store.delete_older_thumbnails(
            s3, bucket, upload, sequencer
        ),
        now=lambda: datetime.now(UTC),
        endpoint_worst_case_s=worst_case_s,
        acknowledge=lambda queue_url, receipts: queue.acknowledge(sqs(), queue_url, receipts),
        give_back=lambda queue_url, waits: queue.give_back(sqs(), queue_url, waits),
    )


def _client(
    session: Session,
    service: str,
    connect_timeout_s: float,
    read_timeout_s: float,
    attempts: int,
) -> Any:
    config = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
    )
    return session.create_client(service, config=config)
