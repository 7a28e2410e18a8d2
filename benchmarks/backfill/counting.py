"""What a back-fill asks of AWS: calls and their items, counted on their way to the cloud."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from rigs.faults import Call


@dataclass
class Counts:
    """By name: `messages`, `look_ups` (keys), `rows` (written), calls of each service."""

    found: Counter[str] = field(default_factory=Counter)

    def add(self, call: Call) -> None:
        """Of a call on its way."""
        if call.service == "dynamodb":
            self.found[f"dynamodb.{call.operation}"] += 1
            body = json.loads(call.body or b"{}")
            if call.operation == "BatchGetItem":
                for table in body["RequestItems"].values():
                    kind = "consistent" if table.get("ConsistentRead") else "eventual"
                    self.found[f"keys read, {kind}"] += len(table["Keys"])
            elif call.operation == "PutItem":
                self.found["rows written"] += 1
        elif call.service == "sqs":
            operation, messages = _sqs(call)
            self.found[f"sqs.{operation}"] += 1
            if operation == "SendMessageBatch":
                self.found["messages"] += messages
        elif call.service == "s3":
            listing = call.operation == "GET" and call.path.strip("/").count("/") == 0
            self.found["s3.LIST" if listing else f"s3.{call.operation}"] += 1
        else:
            self.found[f"{call.service}.{call.operation}"] += 1


def _sqs(call: Call) -> tuple[str, int]:
    """Operation and entries: JSON with a target, or a form."""
    if call.body[:1] == b"{":
        return call.operation, len(json.loads(call.body).get("Entries", []))
    form = dict(parse_qsl(call.body.decode()))
    return form.get("Action", call.operation), sum(name.endswith("MessageBody") for name in form)
