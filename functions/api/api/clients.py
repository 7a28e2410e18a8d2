"""The AWS clients, with explicit time-outs and retries, wired to what the routes need.

By botocore, as in the classify function.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from api import deployments, reviewing, signin, table, tallies, uploads
from api.listing import Query
from api.problems import unavailable
from api.settings import Settings
from api.signing import Signer

Row = dict[str, Any]
FIRST_PAUSE_S = 0.02


@dataclass(frozen=True)
class Services:
    settings: Settings
    query: Query
    read_row: Callable[[str], Row | None]
    history: Callable[[str, int], Iterable[Row]]
    reviews: reviewing.Ports
    counts: tallies.Ports
    deployments: Callable[[int], list[Row]]
    drift_days: Callable[[int], list[Row]]
    signer: Signer
    sign_form: uploads.Sign
    secret: Callable[[], bytes]
    exchange: Callable[[Mapping[str, str]], Mapping[str, Any] | None]
    revoke: Callable[[str], None]
    now: Callable[[], datetime]


def connect(settings: Settings) -> Services:
    """Builds the client that every request needs; the others are made at their first use."""
    session = Session()
    dynamodb = _client(session, "dynamodb", read_timeout_s=3, attempts=3)
    style = "path" if settings.is_local else "virtual"
    s3 = cache(lambda: _client(session, "s3", 5, 2, {"addressing_style": style}))
    secrets = cache(lambda: _client(session, "secretsmanager", read_timeout_s=3, attempts=3))
    signer = Signer(settings.bucket_urls, settings.region, session.get_credentials())
    return wire(settings, dynamodb, signer, s3, secrets)


def wire(
    settings: Settings,
    dynamodb: Any,
    signer: Signer,
    s3: Callable[[], Any],
    secrets: Callable[[], Any],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Services:
    """The services over given clients: what tests replace."""
    names = (settings.predictions_table, settings.reviews_table, settings.tallies_table)
    query = partial(table.query_all, dynamodb, settings.predictions_table)
    read_row = partial(table.read_row, dynamodb, settings.predictions_table)
    history = partial(table.history, dynamodb, settings.reviews_table)
    counts = tallies.Ports(
        read=lambda: table.read_tallies(dynamodb, settings.tallies_table),
        save=lambda item, revision: table.save_answers(
            dynamodb, settings.tallies_table, item, revision
        ),
        query=query,
        now=now,
    )
    read_deployments = partial(table.deployments, dynamodb, settings.deployments_table)

    def knows_breed(breed: str) -> bool:
        answered = tallies.look(counts, settings.first_month)[0].labels
        return breed in answered or breed in deployments.labels(read_deployments(1))

    return Services(
        settings=settings,
        query=query,
        read_row=read_row,
        history=history,
        reviews=reviewing.Ports(
            read_row=read_row,
            history=history,
            write=lambda change: table.write(dynamodb, *names, change),
            knows_breed=knows_breed,
            now=now,
            pause=lambda attempt: time.sleep(random.uniform(0.5, 1) * FIRST_PAUSE_S * 2**attempt),
        ),
        counts=counts,
        deployments=read_deployments,
        drift_days=partial(table.drift_days, dynamodb, settings.drift_table),
        signer=signer,
        sign_form=lambda key, size, kind: uploads.post_fields(
            s3(), settings.bucket, key, size, kind
        ),
        secret=cache(lambda: _secret(secrets(), settings.cursor_secret)),
        exchange=partial(signin.exchange, settings.sign_in_url),
        revoke=partial(signin.revoke, settings.sign_in_url, settings.client_id),
        now=now,
    )


def _secret(client: Any, name: str) -> bytes:
    try:
        text: str = client.get_secret_value(SecretId=name)["SecretString"]
    except (BotoCoreError, ClientError) as error:
        raise unavailable("The secret of cursors cannot be read.") from error
    return text.encode()


def _client(
    session: Session,
    service: str,
    read_timeout_s: float,
    attempts: int,
    s3: Mapping[str, str] | None = None,
) -> Any:
    config = Config(
        connect_timeout=1,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        max_pool_connections=10,
        signature_version="s3v4" if s3 else None,
        s3=s3,
    )
    return session.create_client(service, config=config)
