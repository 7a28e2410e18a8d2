"""The AWS clients, with explicit time-outs and retries, wired to the core's ports."""

from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from botocore.session import Session

from lister import photos, queue, rows
from lister.core import Page, Ports
from lister.job import PHOTOS, Job
from lister.messages import body
from lister.settings import Settings


def connect(settings: Settings) -> Ports:
    """Builds the clients: once, at import."""
    session = Session()
    return wire(settings, *(_client(session, name) for name in ("s3", "dynamodb", "sqs")))


def wire(settings: Settings, s3: Any, dynamodb: Any, sqs: Any) -> Ports:
    """The ports over given clients: what tests replace."""
    table, own = settings.predictions_table, settings.bucket

    def read(job: Job, size: int) -> Page:
        if job.kind == PHOTOS:
            return photos.read_page(s3, dynamodb, table, own, size, job)
        return rows.read_page(dynamodb, table, own, settings.source_bucket, size, job)

    return Ports(
        waiting=lambda: queue.waiting(sqs, settings.queue_url),
        read=read,
        send=lambda found, job: queue.send(
            sqs,
            settings.queue_url,
            [body(photo, job.job, settings.region, datetime.now(UTC)) for photo in found],
        ),
    )


def _client(session: Session, service: str) -> Any:
    config = Config(
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 5},
        tcp_keepalive=True,
        max_pool_connections=queue.SENDERS,
    )
    return session.create_client(service, config=config)
