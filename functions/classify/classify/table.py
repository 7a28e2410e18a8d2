"""The predictions table: what is answered already, and one conditional row a photo."""

import random
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from classify.errors import RetryableError

# DynamoDB's limit of one BatchGetItem.
MAX_KEYS_A_CALL = 100
MAX_ROUNDS = 4
FIRST_PAUSE_S = 0.05


def known_sequencers(dynamodb: Any, table: str, keys: Sequence[str]) -> dict[str, str]:
    """Image key -> sequencer of its row, for the keys that have one. Raises RetryableError."""
    known: dict[str, str] = {}
    for start in range(0, len(keys), MAX_KEYS_A_CALL):
        known |= _known_of_one_call(dynamodb, table, keys[start : start + MAX_KEYS_A_CALL])
    return known


def _known_of_one_call(dynamodb: Any, table: str, keys: Sequence[str]) -> dict[str, str]:
    known: dict[str, str] = {}
    wanted = {
        table: {
            "Keys": [{"image_key": {"S": key}} for key in keys],
            "ProjectionExpression": "image_key, sequencer",
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
            # A row of another making, without a sequencer, is older than any upload.
            known[item["image_key"]["S"]] = item.get("sequencer", {}).get("S", "")
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            return known
    raise RetryableError(f"DynamoDB left keys unread {MAX_ROUNDS} times")


def put_row(dynamodb: Any, table: str, row: Mapping[str, Any]) -> bool:
    """False when the table holds this or a newer version already. Raises RetryableError."""
    try:
        dynamodb.put_item(
            TableName=table,
            Item=_serialized(row)["M"],
            ConditionExpression="attribute_not_exists(image_key) OR sequencer < :new",
            ExpressionAttributeValues={":new": {"S": row["sequencer"]}},
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
