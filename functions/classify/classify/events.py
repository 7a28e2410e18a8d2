"""From SQS messages to uploads: each body is an S3 event notification, or S3's test event.

S3 delivers at least once and in any order; `sequencer` orders the events of one key, but only those
that create and delete: the one that tells of a version restored from an archive has none, or one
that says nothing about the version's age. Keys arrive URL-encoded as in a form (space is `+`).
Source: Amazon S3 User Guide, "Event message structure" (versions 2.x, which differ in fields not
read here, so the version is not looked at).

A back-fill sends messages of the same shape. Its `ObjectCreated:Backfill` has a sequencer that is
older than any of S3's, so whatever else happened to the key is newer. `Reclassify:Photo` has the
sequencer of the row that it asks to answer again.

Removals come in two kinds. ObjectRemoved:DeleteMarkerCreated has the marker's version.
ObjectRemoved:Delete has the version that is gone for ever, which may be a marker too: then the
photo is back. What a lifecycle rule deletes is told by events of other names (LifecycleExpiration),
which nobody asks for here: the template's rules delete no photo.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord

SEQUENCER_DIGITS = 32
TEST_EVENT = "s3:TestEvent"
RESTORED = "ObjectRestore:Completed"
CREATED, REMOVED = "ObjectCreated:", "ObjectRemoved:"
BACKFILL = "breed-classifier:backfill"
RECLASSIFY = "Reclassify:Photo"


@dataclass(frozen=True)
class Upload:
    """One object version that was created, or `removed`, or `restored` from an archive.

    A restored one has no sequencer. Two deliveries of the same event are equal. One that is to be
    answered `again` names the model whose answer it `replaces`, "" where that is a rejection.
    """

    bucket: str
    key: str
    sequencer: str
    version_id: str | None = None
    etag: str = ""
    restored: bool = False
    removed: bool = False
    again: bool = False
    replaces: str = ""
    # Of another bucket than the stack's own.
    foreign: bool = False
    # Not part of the identity: what S3 says beside it must not make a duplicate look new.
    size_bytes: int | None = field(default=None, compare=False)
    happened_at: datetime | None = field(default=None, compare=False)
    # How often SQS has handed out its message, this time included.
    receive_count: int = field(default=1, compare=False)
    # The back-fill that it belongs to; "" for what S3 sent.
    job: str = field(default="", compare=False)

    @property
    def image_key(self) -> str:
        """The key of its row. A key of S3's has no owner: that of another bucket names it."""
        return f"s3://{self.bucket}/{self.key}" if self.foreign else self.key


@dataclass(frozen=True)
class Message:
    """One SQS message: its uploads, the number of records to ignore, or why it is unreadable."""

    message_id: str
    receipt_handle: str = ""
    queue_arn: str = ""
    # How often SQS has handed it out, this time included.
    receive_count: int = 1
    uploads: tuple[Upload, ...] = ()
    ignored: int = 0
    fault: str = ""


def read_messages(event: Mapping[str, Any], own_bucket: str) -> list[Message]:
    """Raises KeyError when `event` is no SQS event: then no message can be named as failed."""
    return [_read_message(record, own_bucket) for record in SQSEvent(dict(event)).records]


def padded_sequencer(sequencer: str) -> str:
    """Upper-case hex, right-padded to 32 digits: text order is then event order for one key.

    Source: AWS re:Post, "Why do I see duplicate messages in Amazon SQS for the same Amazon S3
    event?" ("right-pad the shorter value with zeros, and then do a lexicographical comparison").
    Raises ValueError if it is no such number.
    """
    digits = sequencer.upper()
    if not 1 <= len(digits) <= SEQUENCER_DIGITS or set(digits) - set("0123456789ABCDEF"):
        raise ValueError(f"sequencer is not a hex number of 1 to {SEQUENCER_DIGITS} digits")
    return digits.ljust(SEQUENCER_DIGITS, "0")


def listed_sequencer(modified: datetime, etag: str) -> str:
    """Of an object that no event tells of: as the back-fill's lister.messages computes it."""
    digest = hashlib.sha256(etag.encode()).hexdigest()[:12].upper()
    return f"{0:08X}{round(modified.timestamp() * 1000):012X}{digest}"


def _read_message(record: SQSRecord, own_bucket: str) -> Message:
    attributes = record.get("attributes") or {}
    message = Message(
        record.message_id,
        record.get("receiptHandle") or "",
        record.get("eventSourceARN") or "",
        int(attributes.get("ApproximateReceiveCount", 1)),
    )
    try:
        uploads = list(_read_body(record, message.receive_count, own_bucket))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Not acknowledged: after its last receive the message rests in the dead-letter queue, where
        # it can be read.
        return replace(message, fault=f"{type(error).__name__}: {error}")
    wanted = tuple(upload for upload in uploads if upload is not None)
    return replace(message, uploads=wanted, ignored=len(uploads) - len(wanted))


def _read_body(record: SQSRecord, receive_count: int, own_bucket: str) -> Iterator[Upload | None]:
    """One item a record; None for a record that is none of our business."""
    body = record.json_body
    if body.get("Event") == TEST_EVENT:
        yield None
        return
    for s3_record in body["Records"]:
        yield _read_upload(S3EventRecord(s3_record), receive_count, own_bucket)


def _read_upload(record: S3EventRecord, receive_count: int, own_bucket: str) -> Upload | None:
    event = record.event_name.removeprefix("s3:")
    restored, again = event == RESTORED, event == RECLASSIFY
    if not restored and not again and not event.startswith((CREATED, REMOVED)):
        return None
    asked = record["backfill"] if record.get("eventSource") == BACKFILL else {}
    described = record.s3.get_object
    # Powertools hands the key out still encoded here; it is decoded once, in this line.
    key = unquote_plus(described.key, errors="strict")
    if not key:
        raise ValueError("the record has an empty key")
    if key.endswith("/"):
        return None  # what the console's "create folder" leaves behind
    bucket = record.s3.bucket.name
    return Upload(
        bucket=bucket,
        key=key,
        sequencer="" if restored else padded_sequencer(described.sequencer),
        version_id=described.version_id,
        etag=described.get("eTag") or "",
        restored=restored,
        removed=event.startswith(REMOVED),
        again=again,
        replaces=asked["replaces"] if again else "",
        foreign=bool(asked) and bucket != own_bucket,
        size_bytes=described.get("size"),
        # Nobody waits for a photo of a back-fill: a latency would say nothing.
        happened_at=None if asked else _parse_time(record.get("eventTime")),
        receive_count=receive_count,
        job=asked.get("job", ""),
    )


def _parse_time(text: str | None) -> datetime | None:
    """S3 sends UTC with a Z; anything else costs the row its latency, not its answer."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
