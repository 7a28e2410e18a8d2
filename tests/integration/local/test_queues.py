"""The way back from a dead-letter queue, and the visibility of what is given back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.launch import Cloud
from tests.waiting import wait_until


@dataclass
class Queues:
    """Queues whose names are made up, so that tests share one cloud."""

    sqs: Any

    def make(self, dead_letters: str | None = None, suffix: str = "", **attributes: str) -> str:
        """A queue's URL."""
        if dead_letters is not None:
            policy = {"deadLetterTargetArn": self.arn(dead_letters), "maxReceiveCount": "1"}
            attributes["RedrivePolicy"] = json.dumps(policy)
        name = f"q-{uuid.uuid4().hex[:12]}{suffix}"
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def arn(self, url: str) -> str:
        return f"arn:aws:sqs:us-east-1:123456789012:{url.rpartition('/')[2]}"

    def kill(self, url: str, *bodies: str, **extra: Any) -> None:
        """Messages of `url` that go to its dead-letter queue."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=url, MessageBody=body, **extra)
            message = self.receive(url)[0]
            self.sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
            assert self.receive(url) == []  # the second receive sends it away

    def receive(self, url: str, **options: Any) -> list[dict[str, Any]]:
        options = {"MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10, **options}
        answer = self.sqs.receive_message(
            QueueUrl=url, MessageSystemAttributeNames=["All"], **options
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def bodies(self, url: str) -> list[str]:
        found: list[str] = []
        while batch := self.receive(url):
            found += [message["Body"] for message in batch]
        return sorted(found)

    def tasks(self, url: str, **options: int) -> list[dict[str, Any]]:
        answer = self.sqs.list_message_move_tasks(SourceArn=self.arn(url), **options)
        results: list[dict[str, Any]] = answer["Results"]
        return results

    def ended(self, url: str) -> dict[str, Any]:
        def done() -> dict[str, Any] | None:
            (task,) = self.tasks(url)
            return task if task["Status"] not in ("RUNNING", "CANCELLING") else None

        return wait_until(done)


@pytest.fixture(scope="module")
def queues(cloud: Cloud) -> Iterator[Queues]:
    sqs = cloud.client("sqs")
    yield Queues(sqs)
    sqs.close()


def _refused(call: Any, **params: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    answer = raised.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return answer["Error"]["Code"], answer["Error"]["Message"], status


def test_dead_letters_go_back_to_the_queues_they_came_from(queues: Queues) -> None:
    dead = queues.make()
    one, two = queues.make(dead), queues.make(dead)
    bodies = [f"photo {number}" for number in range(12)]
    attributes = {"kind": {"DataType": "String", "StringValue": "dog"}}
    queues.kill(one, *bodies, MessageAttributes=attributes)
    queues.kill(two, "another")

    started = queues.sqs.start_message_move_task(SourceArn=queues.arn(dead))

    task = queues.ended(dead)
    assert started["TaskHandle"]
    assert (
        task.items()
        >= {
            "Status": "COMPLETED",
            "SourceArn": queues.arn(dead),
            "ApproximateNumberOfMessagesMoved": 13,
            "ApproximateNumberOfMessagesToMove": 13,
        }.items()
    )
    assert not {"TaskHandle", "DestinationArn", "FailureReason"} & task.keys()
    assert task["StartedTimestamp"] > 1_700_000_000_000
    first = queues.receive(one, MaxNumberOfMessages=1)[0]
    assert first["MessageAttributes"] == attributes
    assert first["Attributes"]["ApproximateReceiveCount"] == "1"
    assert sorted([first["Body"], *queues.bodies(one)]) == sorted(bodies)
    assert queues.bodies(two) == ["another"]
    assert queues.bodies(dead) == []


def test_dead_letters_go_to_the_queue_that_is_named(queues: Queues) -> None:
    dead, aside = queues.make(), queues.make()
    queues.kill(queues.make(dead), "a", "b")

    queues.sqs.start_message_move_task(SourceArn=queues.arn(dead), DestinationArn=queues.arn(aside))

    task = queues.ended(dead)
    assert (task["Status"], task["DestinationArn"]) == ("COMPLETED", queues.arn(aside))
    assert queues.bodies(aside) == ["a", "b"]


def test_fifo_queues_keep_groups_and_order(queues: Queues) -> None:
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    dead, aside = queues.make(suffix=".fifo", **fifo), queues.make(suffix=".fifo", **fifo)
    queues.make(dead, suffix=".fifo", **fifo)
    for body in "abc":
        queues.sqs.send_message(QueueUrl=dead, MessageBody=body, MessageGroupId="dogs")

    queues.sqs.start_message_move_task(SourceArn=queues.arn(dead), DestinationArn=queues.arn(aside))

    assert queues.ended(dead)["ApproximateNumberOfMessagesMoved"] == 3
    moved = queues.receive(aside)
    assert [message["Body"] for message in moved] == list("abc")
    assert {message["Attributes"]["MessageGroupId"] for message in moved} == {"dogs"}


def test_move_is_cancelled_and_another_one_takes_the_rest(queues: Queues) -> None:
    dead, aside = queues.make(), queues.make()
    queues.make(dead)
    for number in range(4):
        queues.sqs.send_message(QueueUrl=dead, MessageBody=str(number))
    request = {"SourceArn": queues.arn(dead), "DestinationArn": queues.arn(aside)}

    handle = queues.sqs.start_message_move_task(**request, MaxNumberOfMessagesPerSecond=1)[
        "TaskHandle"
    ]
    (running,) = queues.tasks(dead)
    second = _refused(queues.sqs.start_message_move_task, **request)
    cancelled = queues.sqs.cancel_message_move_task(TaskHandle=handle)

    assert (
        running.items()
        >= {
            "Status": "RUNNING",
            "TaskHandle": handle,
            "MaxNumberOfMessagesPerSecond": 1,
            "ApproximateNumberOfMessagesToMove": 4,
        }.items()
    )
    assert (second[0], second[2]) == ("InvalidParameterValue", 400)
    assert "There is already a task running." in second[1]
    assert cancelled["ApproximateNumberOfMessagesMoved"] <= 4
    assert queues.ended(dead)["Status"] == "CANCELLED"
    code, words, _ = _refused(queues.sqs.cancel_message_move_task, TaskHandle=handle)
    assert (code, "CANCELLED" in words) == ("InvalidParameterValue", True)

    queues.sqs.start_message_move_task(**request)
    queues.ended(dead)
    assert queues.bodies(aside) == ["0", "1", "2", "3"]
    assert [task["Status"] for task in queues.tasks(dead, MaxResults=10)] == [
        "COMPLETED",
        "CANCELLED",
    ]


def test_message_without_an_origin_fails_the_move_and_stays(queues: Queues) -> None:
    dead = queues.make()
    queues.make(dead)
    queues.sqs.send_message(QueueUrl=dead, MessageBody="by hand")

    queues.sqs.start_message_move_task(SourceArn=queues.arn(dead))

    task = queues.ended(dead)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert queues.bodies(dead) == ["by hand"]


def test_destination_that_goes_away_fails_the_move_and_loses_nothing(queues: Queues) -> None:
    dead = queues.make()
    source = queues.make(dead)
    queues.make(dead)
    queues.kill(source, "a")
    queues.sqs.delete_queue(QueueUrl=source)

    queues.sqs.start_message_move_task(SourceArn=queues.arn(dead))

    task = queues.ended(dead)
    assert task["FailureReason"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("FAILED", 0)
    assert queues.bodies(dead) == ["a"]


def test_moves_that_aws_refuses_are_refused_in_its_words(queues: Queues) -> None:
    dead = queues.make()
    plain = queues.make(dead)
    start, listing = queues.sqs.start_message_move_task, queues.sqs.list_message_move_tasks
    cancel = queues.sqs.cancel_message_move_task
    source = queues.arn(dead)
    invalid, missing = "InvalidParameterValue", "ResourceNotFoundException"
    nobody = "arn:aws:sqs:us-east-1:123456789012:nobody"

    assert _refused(start, SourceArn=queues.arn(plain)) == (
        invalid,
        "Source queue must be configured as a Dead Letter Queue.",
        400,
    )
    for arn in (nobody, "nobody", "arn:aws:sns:us-east-1:123456789012:x"):
        assert _refused(start, SourceArn=arn) == (
            missing,
            "The resource that you specified for the SourceArn parameter doesn't exist.",
            404,
        )
    assert _refused(listing, SourceArn=nobody)[0] == missing
    code, words, _ = _refused(start, SourceArn=source, DestinationArn=nobody)
    assert (code, "DestinationArn" in words) == (missing, True)
    assert _refused(start, SourceArn=source, DestinationArn=source)[0] == invalid
    for rate in (0, 501, -1):
        assert _refused(start, SourceArn=source, MaxNumberOfMessagesPerSecond=rate)[0] == invalid
    for most in (0, 11):
        assert _refused(listing, SourceArn=source, MaxResults=most)[0] == invalid
    assert _refused(cancel, TaskHandle="?")[:2] == (
        invalid,
        "Value for parameter TaskHandle is invalid.",
    )
    handle = start(SourceArn=source)["TaskHandle"]
    queues.ended(dead)
    assert _refused(cancel, TaskHandle=handle)[0] == invalid


def test_sources_of_a_dead_letter_queue_are_listed(queues: Queues) -> None:
    dead = queues.make()
    sources = sorted(queues.make(dead) for _ in range(3))

    listed = queues.sqs.list_dead_letter_source_queues(QueueUrl=dead)
    pages = queues.sqs.get_paginator("list_dead_letter_source_queues").paginate(
        QueueUrl=dead, PaginationConfig={"PageSize": 2}
    )

    assert sorted(listed["queueUrls"]) == sources
    assert sorted(url for page in pages for url in page["queueUrls"]) == sources
    assert queues.sqs.list_dead_letter_source_queues(QueueUrl=sources[0])["queueUrls"] == []
    code, _, status = _refused(queues.sqs.list_dead_letter_source_queues, QueueUrl=dead + "-nobody")
    assert status == 400
    assert "QueueDoesNotExist" in code


def test_operation_that_ministack_lacks_is_named(cloud: Cloud) -> None:
    code, words, status = _refused(cloud.client("sns").list_origination_numbers)

    assert (code, status) == ("InvalidAction", 400)
    assert words.startswith("The local cloud does not have sns:ListOriginationNumbers")


def test_what_is_given_back_comes_back_when_it_was_asked_to(queues: Queues) -> None:
    """As the function does it: in batches, at once or in twelve hours, after a second receive."""
    url = queues.make(VisibilityTimeout="600")
    for body in ("now", "later", "again"):
        queues.sqs.send_message(QueueUrl=url, MessageBody=body)
    handles = {message["Body"]: message["ReceiptHandle"] for message in queues.receive(url)}
    entries = [
        {"Id": body, "ReceiptHandle": handles[body], "VisibilityTimeout": seconds}
        for body, seconds in (("now", 0), ("later", 43_200), ("again", 0))
    ]

    changed = queues.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert sorted(entry["Id"] for entry in changed["Successful"]) == ["again", "later", "now"]

    back = {message["Body"]: message for message in queues.receive(url)}
    assert sorted(back) == ["again", "now"]
    assert back["again"]["Attributes"]["ApproximateReceiveCount"] == "2"
    entries = [
        {"Id": "ok", "ReceiptHandle": back["again"]["ReceiptHandle"], "VisibilityTimeout": 0},
        {"Id": "none", "ReceiptHandle": "nobody's", "VisibilityTimeout": 1},
    ]
    changed = queues.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in changed["Successful"]] == ["ok"]
    assert {entry["Id"] for entry in changed["Failed"]} == {"none"}
    assert [message["Body"] for message in queues.receive(url)] == ["again"]
