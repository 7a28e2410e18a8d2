"""The queue's side of a try: what is done with is deleted, what failed waits for its next turn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from classify.errors import RetryableError

# SQS's limit of one batch call.
MAX_ENTRIES = 10


def acknowledge(sqs: Any, queue_url: str, receipts: Sequence[str]) -> None:
    """Deletes the messages with these receipt handles. Raises RetryableError."""
    entries = [{"ReceiptHandle": receipt} for receipt in receipts]
    _call(sqs.delete_message_batch, queue_url, entries)


def give_back(sqs: Any, queue_url: str, waits: Mapping[str, int]) -> None:
    """`waits`: receipt handle -> seconds from now until the message may be received again.

    Lambda's poller leaves a message that the function reports as failed as it is: it comes back
    when the visibility timeout set here ends, and not when the queue's own does. Raises
    RetryableError when a message keeps the queue's own.
    """
    entries = [
        {"ReceiptHandle": receipt, "VisibilityTimeout": wait_s} for receipt, wait_s in waits.items()
    ]
    _call(sqs.change_message_visibility_batch, queue_url, entries)


def _call(operation: Callable[..., Any], queue_url: str, entries: list[dict[str, Any]]) -> None:
    """Every entry gets its chance before the first failure is told."""
    failed: list[str] = []
    for start in range(0, len(entries), MAX_ENTRIES):
        part = [{"Id": str(n)} | entry for n, entry in enumerate(entries[start:][:MAX_ENTRIES])]
        try:
            answer = operation(QueueUrl=queue_url, Entries=part)
        except (BotoCoreError, ClientError) as error:
            failed.append(str(error))
        else:
            failed += [
                f"{each['Code']}: {each.get('Message')}" for each in answer.get("Failed", ())
            ]
    if failed:
        raise RetryableError(f"SQS did not do it for {len(failed)} entries or calls: {failed[0]}")
