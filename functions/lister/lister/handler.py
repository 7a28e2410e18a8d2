"""Lambda entry point `lister.handler.handle`: the state of a job in, the state after a turn out.

What it takes and answers is lister.job.Job as JSON; backfill/template.yaml has the loop around it.
An error is the loop's to judge: RefusedError ends the job, any other is tried again. Environment
variables: see lister.settings.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from lister.clients import connect
from lister.core import Limits, turn
from lister.job import Job
from lister.settings import Settings

SETTINGS = Settings.from_env()
PORTS = connect(SETTINGS)
LIMITS = Limits(SETTINGS.page_size, SETTINGS.most_waiting, SETTINGS.wait_s)
# One page, read and sent, with a client's retries: no read begins when less than this is left.
READ_RESERVE_MS = 60_000

logger = logging.getLogger("lister")
logger.setLevel(logging.INFO)


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    before = Job.from_json(event)
    after = turn(
        before,
        PORTS,
        LIMITS,
        datetime.now(UTC),
        lambda: context.get_remaining_time_in_millis() > READ_RESERVE_MS,
    )
    logger.info(
        "Turn done",
        extra={
            "job": after.job,
            "sent": after.counts.sent - before.counts.sent,
            "seen": after.counts.seen - before.counts.seen,
            "next": after.next,
            "waits_for": after.waits_for,
        },
    )
    return after.to_json()
