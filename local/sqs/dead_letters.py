"""ListDeadLetterSourceQueues: whose dead letters a queue gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local.arns import request_region
from local.errors import AwsError

_MOST_RESULTS = 1000
_TOKEN_DIGITS = 9


def source_queues(sqs: Any, arn: str) -> list[str]:
    """The URLs of the queues of a region whose RedrivePolicy names the queue `arn`."""
    pages = sqs.get_paginator("list_queues").paginate()
    urls = [url for page in pages for url in page.get("QueueUrls", [])]
    return [url for url in urls if _dead_letter_arn(sqs, url) == arn]


def _dead_letter_arn(sqs: Any, url: str) -> str | None:
    policy = _attribute(sqs, url, "RedrivePolicy")
    return json.loads(policy).get("deadLetterTargetArn") if policy else None


def _attribute(sqs: Any, url: str, name: str) -> str | None:
    """None where the queue has none, or is gone since it was listed."""
    try:
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    except ClientError:
        return None
    value: str | None = answer.get("Attributes", {}).get(name)
    return value


class DeadLetters:
    """The operation. `client` makes the SQS client of a region."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client

    def list_dead_letter_source_queues(self, params: dict[str, Any]) -> dict[str, Any]:
        sqs = self._client(request_region.get())
        arn = _attribute(sqs, params["QueueUrl"], "QueueArn")
        if arn is None:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        token = params.get("NextToken", "0")
        if not token.isdecimal() or len(token) > _TOKEN_DIGITS:
            raise AwsError("InvalidParameterValue", "Value for parameter NextToken is invalid.")
        urls = source_queues(sqs, arn)
        end = int(token) + params.get("MaxResults", _MOST_RESULTS)
        more = str(end) if end < len(urls) else None
        return {"queueUrls": urls[int(token) : end], "NextToken": more}
