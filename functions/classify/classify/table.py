"""The predictions table: what is answered already, and one conditional row a photo."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from classify.errors import Reason, RetryableError
from classify.rows import Known, Row, Written

# DynamoDB's limit of one BatchGetItem.
MAX_KEYS_A_CALL = 100
MAX_ROUNDS = 4
FIRST_PAUSE_S = 0.05

# Reserved words, or may become one.
_REASON = {"#reason": "reason", "#code": "code"}
_KNOWN = "image_key, sequencer, version_id, etag, thumbnail, seen_sequencer, #status, #reason.#code"

_NEWER = (
    "attribute_not_exists(sequencer) OR (sequencer < :new"
    " AND (attribute_not_exists(seen_sequencer) OR seen_sequencer < :new))"
)
_STILL_ARCHIVED = (
    "attribute_not_exists(sequencer) OR (sequencer = :new AND #reason.#code = :archived)"
)


def known_rows(dynamodb: Any, table: str, keys: Sequence[str]) -> dict[str, Known]:
    """What the table holds of these distinct image keys. Raises RetryableError."""
    known: dict[str, Known] = {}
    for start in range(0, len(keys), MAX_KEYS_A_CALL):
        known |= _known_of_one_call(dynamodb, table, keys[start : start + MAX_KEYS_A_CALL])
    return known


def _known_of_one_call(dynamodb: Any, table: str, keys: Sequence[str]) -> dict[str, Known]:
    known: dict[str, Known] = {}
    wanted = {
        table: {
            "Keys": [{"image_key": {"S": key}} for key in keys],
            "ProjectionExpression": _KNOWN,
            "ExpressionAttributeNames": _REASON | {"#status": "status"},
            # Eventually consistent, an answer of a second ago would be paid for once more.
            "ConsistentRead": True,
        }
    }
    for round_ in range(MAX_ROUNDS):
        if round_:
            time.sleep(random.uniform(0.5, 1) * FIRST_PAUSE_S * 2**round_)
        try:
            answer = dynamodb.batch_get_item(RequestItems=wanted)
        except (BotoCoreError, ClientError) as error:
            raise RetryableError(f"DynamoDB could not be read: {error}") from error
        for item in answer.get("Responses", {}).get(table, ()):
            known[item["image_key"]["S"]] = _known(item)
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            return known
    raise RetryableError(f"DynamoDB left keys unread {MAX_ROUNDS} times")


def _known(item: Mapping[str, Any]) -> Known:
    def text(name: str) -> str:
        value: str = item.get(name, {}).get("S", "")
        return value

    code = item.get("reason", {}).get("M", {}).get("code", {}).get("S")
    return Known(
        sequencer=text("sequencer"),
        version_id=text("version_id"),
        etag=text("etag"),
        thumbnail=text("thumbnail"),
        seen_sequencer=text("seen_sequencer"),
        archived=code == Reason.ARCHIVED,
        deleted=text("status") == "DELETED",
    )


def put_row(dynamodb: Any, table: str, row: Row) -> Written:
    """Not done when the table has seen this or a newer event already. Raises RetryableError.

    A row of another making, without a sequencer, is older than any upload.
    """
    return _put(dynamodb, table, row, ConditionExpression=_NEWER)


def put_restored_row(dynamodb: Any, table: str, row: Row) -> Written:
    """Replaces the row that called the same version archived; not done if there is another by now.

    Raises RetryableError.
    """
    return _put(
        dynamodb,
        table,
        row,
        ConditionExpression=_STILL_ARCHIVED,
        ExpressionAttributeNames=_REASON,
        ExpressionAttributeValues={":archived": {"S": str(Reason.ARCHIVED)}},
    )


def _put(dynamodb: Any, table: str, row: Row, **condition: Any) -> Written:
    values = condition.pop("ExpressionAttributeValues", {})
    item, failure = _written(
        dynamodb.put_item,
        TableName=table,
        Item=_serialized(row)["M"],
        ExpressionAttributeValues={":new": {"S": row["sequencer"]}} | values,
        ReturnValues="ALL_OLD",
        **condition,
    )
    return Written(failure is None, _known(item))


def keep_row(dynamodb: Any, table: str, image_key: str, known: Known, sequencer: str) -> None:
    """The row is right as it is; notes that this event was seen, so that no older one overtakes it.

    Raises RetryableError, also when the row has changed meanwhile.
    """
    _, failure = _written(
        dynamodb.update_item,
        TableName=table,
        Key={"image_key": {"S": image_key}},
        UpdateExpression="SET seen_sequencer = :new",
        ConditionExpression="sequencer = :known"
        " AND (attribute_not_exists(seen_sequencer) OR seen_sequencer < :new)",
        ExpressionAttributeValues={":new": {"S": sequencer}, ":known": {"S": known.sequencer}},
    )
    if failure:
        raise RetryableError("the row has changed meanwhile") from failure


def _written(
    operation: Callable[..., Any], **arguments: Any
) -> tuple[Mapping[str, Any], ClientError | None]:
    """The item that was there before; with the failure of the condition, the one that stands."""
    try:
        answer = operation(ReturnValuesOnConditionCheckFailure="ALL_OLD", **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return error.response.get("Item") or {}, error
        raise RetryableError(f"DynamoDB did not take the row: {error}") from error
    except BotoCoreError as error:
        raise RetryableError(f"DynamoDB could not be reached: {error}") from error
    return (answer or {}).get("Attributes") or {}, None


def _serialized(value: object) -> dict[str, Any]:
    """The types that rows hold, as DynamoDB's wire names them."""
    match value:
        case bool():  # before the numbers, of which it is one
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case list():
            return {"L": [_serialized(item) for item in value]}
        case Mapping():
            return {"M": {name: _serialized(item) for name, item in value.items()}}
    raise TypeError(f"rows hold no {type(value).__name__}")
