"""The tables of a stack, read whole: for the export, and for whoever makes data of reviews."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer


def outputs(stack: str) -> dict[str, str]:
    """What the classifier's stack says of itself, by name. Raises botocore's errors."""
    api = boto3.client("cloudformation")
    listed = api.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in listed}


def tables(stack: str) -> dict[str, str]:
    """Names of the tables, by what is in them; a stack without a page has no reviews."""
    named = {"predictions": outputs(stack)["TableName"]}
    reviews = f"{stack}-page-reviews"
    if reviews in _existing():
        named["reviews"] = reviews
    return named


def _existing() -> set[str]:
    pages = boto3.client("dynamodb").get_paginator("list_tables").paginate()
    return {name for page in pages for name in page["TableNames"]}


def items(table: str) -> Iterator[dict[str, Any]]:
    """Every item, as Python's values; numbers are Decimals."""
    take = TypeDeserializer().deserialize
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    for page in pages:
        for item in page["Items"]:
            yield {name: take(value) for name, value in item.items()}


def place_of(image_key: str, own_bucket: str) -> tuple[str, str]:
    """Bucket and key of a photo: a row of another bucket than the stack's names it, s3://bucket/key."""
    if not image_key.startswith("s3://"):
        return own_bucket, image_key
    bucket, _, key = image_key.removeprefix("s3://").partition("/")
    return bucket, key
