"""The AWS clients, with explicit time-outs and retries, wired to the core's ports.

By botocore: boto3 would make the same ones, and import resources and transfers for 50 ms more.
"""

from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from botocore.session import Session

from classify import core, endpoint, store, table
from classify.settings import Settings

ENDPOINT_CONNECT_TIMEOUT_S = 2.0


def connect(settings: Settings) -> core.Ports:
    """Builds the three clients: about 0.2 s, so once, at import."""
    session = Session()
    s3 = _client(session, "s3", connect_timeout_s=2, read_timeout_s=10, attempts=3)
    dynamodb = _client(session, "dynamodb", connect_timeout_s=1, read_timeout_s=2, attempts=3)
    # One attempt: classify.endpoint repeats, and looks at the clock before it does.
    runtime = _client(
        session,
        "sagemaker-runtime",
        connect_timeout_s=ENDPOINT_CONNECT_TIMEOUT_S,
        read_timeout_s=settings.endpoint_timeout_s,
        attempts=1,
    )
    return wire(settings, s3, dynamodb, runtime)


def wire(settings: Settings, s3: Any, dynamodb: Any, runtime: Any) -> core.Ports:
    """The ports over given clients: what tests replace."""
    attempt_s = ENDPOINT_CONNECT_TIMEOUT_S + settings.endpoint_timeout_s
    worst_case_s = attempt_s + core.WRITE_RESERVE_S
    name = settings.predictions_table
    return core.Ports(
        known_sequencers=lambda keys: table.known_sequencers(dynamodb, name, keys),
        read_object=lambda upload: store.read_object(s3, upload, settings.max_object_bytes),
        predict=lambda jpegs, deadline, on_call: endpoint.predict(
            runtime, settings.endpoint_name, jpegs, deadline, worst_case_s, on_call
        ),
        put_row=lambda row: table.put_row(dynamodb, name, row),
        now=lambda: datetime.now(UTC),
        endpoint_worst_case_s=worst_case_s,
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
