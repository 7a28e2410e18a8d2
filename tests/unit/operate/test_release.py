"""What `make release` takes for a failure, and how it hands parameters back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError

from operate import __main__ as commands
from operate import release as released
from operate.__main__ import main
from operate.release import Plan, alarms, overrides, own_alarms, release, watch
from operate.smoke import drawn
from training.jobs.errors import CommandError, UsageError

FAILURES = [
    CommandError("the row says REJECTED"),
    UsageError("There is no stack dogs here."),
    ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject"),
    EndpointConnectionError(endpoint_url="https://sqs"),
    KeyError("Item"),
]


class CloudFormation:
    """One stack in this state, or none. It has an alarm and something else."""

    def __init__(self, status: str | None = "UPDATE_COMPLETE") -> None:
        self.status = status

    def describe_stacks(self, **_asked: str) -> dict[str, Any]:
        if self.status is None:
            raise ClientError({"Error": {"Message": "Stack dogs does not exist"}}, "DescribeStacks")
        return {
            "Stacks": [
                {
                    "StackStatus": self.status,
                    "Outputs": [
                        {"OutputKey": name, "OutputValue": name}
                        for name in (
                            "BucketName", "TableName", "EndpointName", "QueueUrl",
                            "DeadLetterQueueUrl",
                        )
                    ],
                }
            ]
        }  # fmt: skip

    def get_template(self, **_asked: str) -> dict[str, str]:
        assert self.status != "REVIEW_IN_PROGRESS"
        return {"TemplateBody": "before"}

    def describe_stack_resources(self, **_asked: str) -> dict[str, Any]:
        return {
            "StackResources": [
                {"ResourceType": "AWS::CloudWatch::Alarm", "PhysicalResourceId": "dogs-errors"},
                {"ResourceType": "AWS::SQS::Queue", "PhysicalResourceId": "https://sqs/dogs"},
            ]
        }


class CloudWatch:
    """Answers DescribeAlarms with the next of `states`, each the names that ring."""

    def __init__(self, *states: set[str]) -> None:
        self._states = iter(states)

    def get_paginator(self, operation: str) -> CloudWatch:
        assert operation == "describe_alarms"
        return self

    def paginate(self, AlarmNames: list[str]) -> Iterator[dict[str, Any]]:  # noqa: N803 - AWS's
        rings = next(self._states, set())
        yield {
            "MetricAlarms": [
                {"AlarmName": name, "StateValue": "ALARM" if name in rings else "OK"}
                for name in AlarmNames or rings
            ]
        }


def no_wait(_seconds: float) -> None:
    pass


class Calls(list[tuple[str, str]]):
    """What a release did, in order; the first photo fails with `failure`, if it is there."""

    failure: Exception | None = None
    undeployable = False
    stack: CloudFormation
    said = ""


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Calls:
    calls = Calls()

    def deploy(_name: str, model_url: str, _parameters: str) -> None:
        calls.append(("deployed", model_url))
        if calls.undeployable:
            raise CommandError("`make stack` ended with exit code 1.")
        calls.stack.status = "UPDATE_COMPLETE"

    def smoke(*_arguments: Any) -> None:
        calls.append(("photo", ""))
        if len([what for what, _ in calls if what == "photo"]) == 1 and calls.failure:
            raise calls.failure

    def put(_name: str, _parameters: str, template: Any) -> None:
        calls.append(("back", template.read_text()))

    monkeypatch.setattr(released, "ROOT", tmp_path)
    monkeypatch.setattr(released.stacks, "deploy", deploy)
    monkeypatch.setattr(released.stacks, "put", put)
    monkeypatch.setattr(released, "smoke", smoke)
    return calls


def run(
    done: Calls, stack: CloudFormation, cloudwatch: CloudWatch | None = None, **plan: str
) -> None:
    services: dict[str, Any] = {"cloudformation": stack, "cloudwatch": cloudwatch or CloudWatch()}
    said: list[str] = []
    done.stack = stack
    urls = {"model_url": "", "first_model_url": ""} | plan
    try:
        release(
            services.__getitem__,
            Plan("dogs", **urls, parameters="", photo=drawn(), watch_s=0),
            said.append,
        )
    finally:
        done.said = "\n".join(said)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_whatever_fails_after_a_deployment_goes_back(done: Calls, failure: Exception) -> None:
    # GIVEN a release whose photo fails, by whatever
    done.failure = failure
    # WHEN it is released THEN the stack before is back, a photo passes, and that is said
    with pytest.raises(CommandError, match="Stack dogs is as it was before") as error:
        run(done, CloudFormation())
    assert done == [("deployed", ""), ("photo", ""), ("back", "before"), ("photo", "")]
    assert str(failure) in str(error.value)


def test_way_back_that_fails_says_what_the_stack_may_be(
    done: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(*_arguments: Any, **_named: Any) -> None:
        raise CommandError("`make stack` ended with exit code 1.")

    monkeypatch.setattr(released.stacks, "put", put)
    done.failure = CommandError("the row says REJECTED")
    with pytest.raises(CommandError, match="it may have this release still") as error:
        run(done, CloudFormation())
    assert "the row says REJECTED" in str(error.value)


def test_alarm_that_rings_after_a_deployment_goes_back(done: Calls) -> None:
    with pytest.raises(CommandError, match="alarm dogs-errors rings"):
        run(done, CloudFormation(), CloudWatch(set(), {"dogs-errors"}))
    assert ("back", "before") in done


@pytest.mark.parametrize("status", [None, "REVIEW_IN_PROGRESS"])
def test_first_model_is_that_of_a_stack_that_is_not_there(done: Calls, status: str | None) -> None:
    # GIVEN no stack, or no more than a change set to make one
    # WHEN a model for the first deployment is in the environment
    run(done, CloudFormation(status), first_model_url="s3://models/first")
    # THEN it is deployed
    assert done == [("deployed", "s3://models/first"), ("photo", "")]


def test_first_release_that_fails_leaves_the_stack_to_look_at(done: Calls) -> None:
    done.failure = CommandError("the row says REJECTED")
    with pytest.raises(CommandError, match="There was no stack dogs before"):
        run(done, CloudFormation(None))
    assert not [what for what, _ in done if what == "back"]


def test_stack_that_is_there_keeps_its_model_unless_another_is_named(done: Calls) -> None:
    # GIVEN the first model in the environment of every push
    run(done, CloudFormation(), first_model_url="s3://models/first")
    assert done[0] == ("deployed", "")
    assert "s3://models/first is for a first deployment" in done.said
    # WHEN somebody names a model THEN that one is deployed
    done.clear()
    run(done, CloudFormation(), first_model_url="s3://models/first", model_url="s3://models/v2")
    assert done[0] == ("deployed", "s3://models/v2")


def test_stack_that_was_never_made_is_not_deployed_to(done: Calls) -> None:
    with pytest.raises(CommandError, match=r"is ROLLBACK_COMPLETE.*make destroy STACK=dogs"):
        run(done, CloudFormation("ROLLBACK_COMPLETE"))
    assert not done


def test_first_deployment_that_fails_says_what_to_do(done: Calls) -> None:
    done.undeployable = True
    with pytest.raises(CommandError, match=r"(?s)exit code 1.*make destroy STACK=dogs"):
        run(done, CloudFormation(None))


def test_only_the_stacks_own_alarms_count() -> None:
    # GIVEN the alarms of its resources; those of dogs-staging begin with its name as well
    names = own_alarms(CloudFormation(), "dogs")
    assert names == ["dogs-errors"]
    # THEN they are asked for by name, and without any nothing rings
    assert alarms(CloudWatch({"dogs-errors", "dogs-staging-errors"}), names) == {"dogs-errors"}
    assert alarms(CloudWatch({"dogs-staging-errors"}), []) == set()


def test_alarm_that_rang_before_is_no_failure_and_a_new_one_is() -> None:
    cloudwatch = CloudWatch({"dead-letters"}, {"dead-letters", "errors"})
    with pytest.raises(CommandError, match="alarm errors rings"):
        watch(cloudwatch, ["dead-letters", "errors"], {"dead-letters"}, 600, no_wait)


def test_alarms_are_asked_at_least_once() -> None:
    with pytest.raises(CommandError, match="dead-letters"):
        watch(CloudWatch({"dead-letters"}), ["dead-letters"], set(), 0, no_wait)


def test_alarms_are_asked_again_when_cloudwatch_is_asked_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a CloudWatch that refuses to answer eight times
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=no_wait))
    cloudwatch, asked = commands._client("cloudwatch"), []

    def answer(request: Any, **_named: Any) -> AWSResponse:
        asked.append(request)
        busy = len(asked) <= 8
        error = b'{"__type": "ThrottlingException"}'
        response = AWSResponse(request.url, 400 if busy else 200, {}, None)
        response._content = error if busy else b'{"MetricAlarms": []}'
        return response

    cloudwatch.meta.events.register("before-send.cloudwatch.DescribeAlarms", answer)
    # WHEN it is watched THEN nothing is taken for a failure
    watch(cloudwatch, ["dogs-errors"], set(), 0, no_wait)
    assert len(asked) == 9


def test_parameters_pass_the_shell_with_sams_own_quotes_about_them() -> None:
    given = {"AlarmEmail": "", "ModelDataUrl": "s3://b/it's", "Note": 'a "b" \\ c'}
    assert shlex.split(overrides(given)) == [
        'AlarmEmail=""',
        'ModelDataUrl="s3://b/it\'s"',
        'Note="a \\"b\\" \\\\ c"',
    ]


def test_photo_that_cannot_be_read_is_used_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "--photo", "nowhere.jpg"]) == 2
    assert "nowhere.jpg: cannot be read: No such file" in capsys.readouterr().err
