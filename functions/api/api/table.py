"""The tables: pages of indexes, one row, the history of a photo, and a review's transaction."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from api.listing import Partition, Row, Start
from api.problems import unavailable
from api.reviewing import TALLY_SHARDS, WRITTEN, Change, Outcome
from api.wire import item_of, row_of, serialized

# A history that is longer is no longer read to its end to take something back.
MAX_ENTRIES = 500
ENTRIES_A_CALL = 100
_BUSY = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_POOL = ThreadPoolExecutor(10, "query")


@contextmanager
def talking() -> Iterator[None]:
    """What DynamoDB does not do becomes a 503."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise unavailable("The table does not answer.") from error


def read_row(dynamodb: Any, table: str, key: str) -> Row | None:
    with talking():
        answer = dynamodb.get_item(
            TableName=table, Key={"image_key": {"S": key}}, ConsistentRead=True
        )
    return row_of(answer["Item"]) if "Item" in answer else None


def query_all(
    dynamodb: Any, table: str, asked: Sequence[tuple[Partition, Start | None, int]], forward: bool
) -> list[tuple[list[Row], bool]]:
    """As api.listing.Query: all partitions at once."""
    with talking():
        return list(
            _POOL.map(
                lambda each: query(dynamodb, table, each[0], each[1], each[2], forward), asked
            )
        )


def query(
    dynamodb: Any, table: str, partition: Partition, start: Start | None, limit: int, forward: bool
) -> tuple[list[Row], bool]:
    low, high = partition.low, partition.high
    if low is not None and high is not None and low > high:  # type: ignore[operator]  # of one kind
        return [], True
    condition, values = "#hash = :hash", {":hash": serialized(partition.hash_value)}
    if low is not None and high is not None:
        condition += " AND #sort BETWEEN :low AND :high"
    elif low is not None:
        condition += " AND #sort >= :low"
    elif high is not None:
        condition += " AND #sort <= :high"
    values |= {
        name: serialized(value)
        for name, value in ((":low", low), (":high", high))
        if value is not None
    }
    names = {"#hash": partition.hash_name}
    if len(values) > 1:
        names["#sort"] = partition.sort_name
    more: dict[str, Any] = {}
    if start is not None:
        more["ExclusiveStartKey"] = {
            "image_key": serialized(start.key),
            partition.hash_name: serialized(partition.hash_value),
            partition.sort_name: serialized(start.sort),
        }
    answer = dynamodb.query(
        TableName=table,
        IndexName=partition.index,
        KeyConditionExpression=condition,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
        ScanIndexForward=forward,
        Limit=limit,
        **more,
    )
    return [row_of(item) for item in answer["Items"]], "LastEvaluatedKey" not in answer


def history(dynamodb: Any, table: str, key: str, most: int = MAX_ENTRIES) -> Iterator[Row]:
    """The newest `most` entries about this key, of all its versions."""
    left, more = most, dict[str, Any]()
    while left > 0:
        with talking():
            answer = dynamodb.query(
                TableName=table,
                KeyConditionExpression="image_key = :key",
                ExpressionAttributeValues={":key": {"S": key}},
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=min(left, ENTRIES_A_CALL),
                **more,
            )
        yield from map(row_of, answer["Items"])
        left -= len(answer["Items"])
        if "LastEvaluatedKey" not in answer:
            return
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def write(dynamodb: Any, predictions: str, reviews: str, tallies: str, change: Change) -> Outcome:
    """The entry, what stands on the row, and the counts: all of it or nothing."""
    puts: list[dict[str, Any]] = [
        {
            "Put": {
                "TableName": reviews,
                "Item": item_of(change.entry),
                "ConditionExpression": "attribute_not_exists(review_id)",
            }
        },
        {"Update": _row_update(predictions, change)},
    ]
    if change.tally:
        puts.append({"Update": _tally_update(tallies, change.row["image_key"], change.tally)})
    try:
        dynamodb.transact_write_items(TransactItems=puts)
    except ClientError as error:
        reasons = {each.get("Code") for each in error.response.get("CancellationReasons", ())}
        if "ConditionalCheckFailed" in reasons:
            return Outcome.CHANGED
        if reasons & _BUSY or error.response["Error"]["Code"] == "TransactionInProgressException":
            return Outcome.BUSY
        raise unavailable("The table does not take the review.") from error
    except BotoCoreError as error:
        raise unavailable("The table does not answer.") from error
    return Outcome.WRITTEN


def _row_update(table: str, change: Change) -> dict[str, Any]:
    row = change.changed_row()
    sets = [name for name in WRITTEN if name in row]
    removes = [name for name in WRITTEN if name not in row and name in change.row]
    expression = "SET " + ", ".join(f"{name} = :{name}" for name in sets)
    if removes:
        expression += " REMOVE " + ", ".join(removes)
    seen = change.row.get("last_review")
    condition = "sequencer = :version AND #status = :status AND "
    condition += "last_review = :seen" if seen else "attribute_not_exists(last_review)"
    answered = change.row.get("answered")
    condition += " AND "
    condition += "attribute_not_exists(answered)" if answered is None else "answered = :answered"
    values = {f":{name}": row[name] for name in sets}
    values |= {":version": row["sequencer"], ":status": row["status"]}
    if seen:
        values[":seen"] = seen
    if answered is not None:
        values[":answered"] = answered
    return {
        "TableName": table,
        "Key": {"image_key": {"S": row["image_key"]}},
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": item_of(values),
    }


def _tally_update(table: str, key: str, tally: Mapping[str, int]) -> dict[str, Any]:
    names = {f"#n{number}": name for number, name in enumerate(tally)}
    values = {f":n{number}": count for number, count in enumerate(tally.values())}
    adds = ", ".join(f"#n{number} :n{number}" for number in range(len(tally)))
    return {
        "TableName": table,
        "Key": {"name": {"S": tally_name(zlib.crc32(key.encode()) % TALLY_SHARDS)}},
        "UpdateExpression": f"ADD {adds}",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": item_of(values),
    }


def tally_name(shard: int) -> str:
    """One of the items that the counts of reviews are spread over."""
    return f"reviews#{shard}"


def deployments(dynamodb: Any, table: str, most: int) -> list[Row]:
    """The newest `most` of the stack that the table is called after, newest first."""
    found: list[Row] = []
    more: dict[str, Any] = {}
    while len(found) < most:
        with talking():
            answer = dynamodb.query(
                TableName=table,
                KeyConditionExpression="#stack = :stack",
                ExpressionAttributeNames={"#stack": "stack"},
                ExpressionAttributeValues={":stack": {"S": table.removesuffix("-deployments")}},
                ScanIndexForward=False,
                Limit=most - len(found),
                **more,
            )
        found += map(row_of, answer["Items"])
        if "LastEvaluatedKey" not in answer:
            break
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    return found


def drift_days(dynamodb: Any, table: str, most: int) -> list[Row]:
    """The newest `most` days, newest first; without their histograms, which nobody looks at."""
    with talking():
        pages = dynamodb.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression="kind = :day",
            ExpressionAttributeValues={":day": {"S": "day"}},
            ProjectionExpression=(
                "#name, #state, photos, #counts.sure, audit, psi, findings, model_version"
            ),
            ExpressionAttributeNames={"#name": "name", "#state": "state", "#counts": "counts"},
            ScanIndexForward=False,
            PaginationConfig={"MaxItems": most},
        )
        return [row_of(item) for page in pages for item in page["Items"]]


ANSWERS = "answers"


def read_tallies(dynamodb: Any, table: str) -> tuple[Row, list[Row]]:
    """The counts of answers, and the parts of those of reviews."""
    names = [ANSWERS, *map(tally_name, range(TALLY_SHARDS))]
    wanted = {table: {"Keys": [{"name": {"S": name}} for name in names], "ConsistentRead": True}}
    found: dict[str, Row] = {}
    for _round in range(4):
        with talking():
            answer = dynamodb.batch_get_item(RequestItems=wanted)
        rows = map(row_of, answer["Responses"].get(table, ()))
        found |= {row["name"]: row for row in rows}
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            break
    else:
        raise unavailable("The table of counts is busy.")
    return found.get(ANSWERS, {}), [found[name] for name in names[1:] if name in found]


def save_answers(dynamodb: Any, table: str, answers: Row, revision: int) -> bool:
    """False when somebody else has counted on from the same revision."""
    try:
        dynamodb.put_item(
            TableName=table,
            Item=item_of({"name": ANSWERS, "revision": revision + 1, **answers}),
            ConditionExpression="attribute_not_exists(revision) OR revision = :revision",
            ExpressionAttributeValues={":revision": {"N": str(revision)}},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise unavailable("The table of counts does not answer.") from error
    except BotoCoreError as error:
        raise unavailable("The table of counts does not answer.") from error
    return True
