"""The predictions table: what is answered already, and one conditional row a photo."""

import random
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from classify.errors import Reason, RetryableError
from classify.rows import Known

# DynamoDB's limit of one BatchGetItem.
MAX_KEYS_A_CALL = 100
MAX_ROUNDS = 4
FIRST_PAUSE_S = 0.05

# Both may become reserved words one day.
_NAMES = {"#reason": "reason", "#code": "code"}

_NEWER = "attribute_not_exists(sequencer) OR sequencer < :new"
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
            "ProjectionExpression": "image_key, sequencer, version_id, etag, #reason.#code",
            "ExpressionAttributeNames": _NAMES,
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
    return Known(text("sequencer"), text("version_id"), text("etag"), code == Reason.ARCHIVED)


def put_row(dynamodb: Any, table: str, row: Mapping[str, Any]) -> bool:
    """False when the table holds this or a newer version already. Raises RetryableError.

    A row of another making, without a sequencer, is older than any upload.
    """
    return _put(dynamodb, table, row, ConditionExpression=_NEWER)


def put_restored_row(dynamodb: Any, table: str, row: Mapping[str, Any]) -> bool:
    """Replaces the row that called the same version archived; False when there is another by now.

    Raises RetryableError.
    """
    return _put(
        dynamodb,
        table,
        row,
        ConditionExpression=_STILL_ARCHIVED,
        ExpressionAttributeNames=_NAMES,
        ExpressionAttributeValues={":archived": {"S": str(Reason.ARCHIVED)}},
    )


def _put(dynamodb: Any, table: str, row: Mapping[str, Any], **condition: Any) -> bool:
    values = condition.pop("ExpressionAttributeValues", {})
    try:
        dynamodb.put_item(
            TableName=table,
            Item=_serialized(row)["M"],
            ExpressionAttributeValues={":new": {"S": row["sequencer"]}} | values,
            **condition,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise RetryableError(f"DynamoDB did not take the row: {error}") from error
    except BotoCoreError as error:
        raise RetryableError(f"DynamoDB could not be reached: {error}") from error
    return True


def _serialized(value: object) -> dict[str, Any]:
    """The types that rows hold, as DynamoDB's wire names them."""
    match value:
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case list():
            return {"L": [_serialized(item) for item in value]}
        case Mapping():
            return {"M": {name: _serialized(item) for name, item in value.items()}}
    raise TypeError(f"rows hold no {type(value).__name__}")
