"""The back-fill's queue: how much waits in it, and more for it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lister.errors import AgainError

A_CALL = 10  # SendMessageBatch's limit
SENDERS = 8
_WAITING = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def waiting(sqs: Any, url: str) -> int:
    """Messages that wait or are in flight; about, as SQS counts. Raises AgainError."""
    try:
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_WAITING))
    except (BotoCoreError, ClientError) as error:
        raise AgainError(f"the queue could not be asked: {error}") from error
    return sum(int(answer["Attributes"].get(name, 0)) for name in _WAITING)


def send(sqs: Any, url: str, bodies: Sequence[str]) -> None:
    """All of them. Raises AgainError, when some may be sent and some not."""
    parts = [bodies[start : start + A_CALL] for start in range(0, len(bodies), A_CALL)]
    if not parts:
        return
    with ThreadPoolExecutor(min(SENDERS, len(parts))) as pool:
        for _ in pool.map(lambda part: _send(sqs, url, part), parts):
            pass


def _send(sqs: Any, url: str, bodies: Sequence[str]) -> None:
    entries = [{"Id": str(number), "MessageBody": text} for number, text in enumerate(bodies)]
    try:
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    except (BotoCoreError, ClientError) as error:
        raise AgainError(f"the queue took no messages: {error}") from error
    if failed := answer.get("Failed"):
        raise AgainError(f"the queue left {len(failed)} messages: {failed[0].get('Message')}")
