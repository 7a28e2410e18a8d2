"""The predictions table: what is answered already, and one conditional row a photo."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from classify.errors import Reason, RetryableError
from classify.rows import Earlier, Known, Row, Written, answer_of

# DynamoDB's limit of one BatchGetItem.
MAX_KEYS_A_CALL = 100
MAX_ROUNDS = 4
FIRST_PAUSE_S = 0.05

# Reserved words, or may become one.
_REASON = {"#reason": "reason", "#code": "code"}
_KNOWN = (
    "image_key, sequencer, version_id, etag, thumbnail, seen_sequencer, #status, #reason.#code,"
    " model_version, breed, confidence, classified_at, last_review, #review.verdict, answered,"
    " reclassified_by"
)
# What an answer says; where the next one says nothing of it, it goes.
ANSWER = (
    "status",
    "status_month",
    "breed",
    "confidence",
    "confidence_key",
    "dog_probability",
    "model_version",
    "novelty",
    "reason",
    "variant",
)

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
            "ExpressionAttributeNames": _REASON | {"#status": "status", "#review": "review"},
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

    def number(name: str) -> Decimal | None:
        return Decimal(item[name]["N"]) if name in item else None

    code = item.get("reason", {}).get("M", {}).get("code", {}).get("S")
    return Known(
        sequencer=text("sequencer"),
        version_id=text("version_id"),
        etag=text("etag"),
        thumbnail=text("thumbnail"),
        seen_sequencer=text("seen_sequencer"),
        archived=code == Reason.ARCHIVED,
        deleted=text("status") == "DELETED",
        answer=Earlier(
            status=text("status"),
            model_version=text("model_version"),
            breed=text("breed"),
            confidence=number("confidence"),
            classified_at=text("classified_at"),
            last_review=text("last_review"),
            reviewed="review" in item,
            answered=int(number("answered") or 1),
            reclassified_by=text("reclassified_by"),
        ),
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


def replace_answer(dynamodb: Any, table: str, row: Row, known: Known) -> Written:
    """The new answer in the place of the one that was found; what people said of that one stays.

    A review says of which answer it was, once another one stands beside it. Not done when the row
    has another answer by now. Raises RetryableError, also when somebody reviewed it meanwhile.
    """
    earlier = known.answer
    sets = {name: value for name, value in row.items() if name not in ("image_key", "sequencer")}
    gone = [name for name in ANSWER if name not in row]
    names = {f"#n{at}": name for at, name in enumerate([*sets, *gone])}
    values = {f":n{at}": _serialized(value) for at, value in enumerate(sets.values())}
    changes = [f"#n{at} = :n{at}" for at in range(len(sets))]
    if earlier.reviewed:
        names |= {"#review": "review", "#answer": "answer"}
        values[":before"] = _serialized(answer_of(earlier))
        changes.append("#review.#answer = if_not_exists(#review.#answer, :before)")
    expression = "SET " + ", ".join(changes)
    if gone:
        removed = range(len(sets), len(sets) + len(gone))
        expression += " REMOVE " + ", ".join(f"#n{at}" for at in removed)
    conditions = ["sequencer = :version"]
    values[":version"] = _serialized(row["sequencer"])
    for name, value in (
        ("model_version", earlier.model_version),
        ("last_review", earlier.last_review),
    ):
        conditions.append(f"{name} = :{name}" if value else f"attribute_not_exists({name})")
        if value:
            values[f":{name}"] = _serialized(value)
    # The model may be the one before: where the endpoint was rolled back meanwhile.
    conditions.append("(attribute_not_exists(reclassified_by) OR reclassified_by <> :job)")
    values[":job"] = _serialized(row["reclassified_by"])
    item, failure = _written(
        dynamodb.update_item,
        TableName=table,
        Key={"image_key": {"S": row["image_key"]}},
        UpdateExpression=expression,
        ConditionExpression=" AND ".join(conditions),
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
        ReturnValues="ALL_OLD",
    )
    other = _known(item)
    same = other.answer.model_version == earlier.model_version
    done = other.answer.reclassified_by == row["reclassified_by"]
    if failure and same and not done and other.sequencer == row["sequencer"]:
        raise RetryableError("somebody reviewed the photo meanwhile") from failure
    return Written(failure is None, other)


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
