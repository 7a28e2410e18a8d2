"""This checkout, put into a deployed stack and watched; the stack before it, if that fails.

CloudFormation goes back by itself when a resource cannot be made. This goes back, too, when all
were made and the stack does not work: no row for a photo, or an alarm.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from operate.smoke import Photo, smoke
from training.jobs import stack as stacks
from training.jobs.errors import CommandError, UsageError
from training.jobs.stack import ROOT

# An alarm needs its first period (a minute) to know anything; asked for four times in it.
_POLL_S = 15.0


@dataclass(frozen=True)
class Before:
    """The stack as it was: its template, packaged, and the value of every parameter."""

    template: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """`model_url` and `parameters` (NAME=VALUE ...) as for `make stack`; empty: as they were.

    `first_model_url` is that of a stack that is not there yet, and of no other.
    """

    stack: str
    model_url: str
    first_model_url: str
    parameters: str
    photo: Photo
    watch_s: float


def release(clients: Callable[[str], Any], plan: Plan, say: Callable[[str], None]) -> None:
    """Deploy, send a photo through, watch the stack's alarms for `watch_s`.

    Raises CommandError, after the stack before is back, when any of it fails.
    """
    cloudformation, cloudwatch = clients("cloudformation"), clients("cloudwatch")
    before = look(cloudformation, plan.stack)
    ringing: set[str] = set()
    if before is not None:
        ringing = alarms(cloudwatch, own_alarms(cloudformation, plan.stack))
    if ringing:
        say(f"ringing already, so not taken for a failure: {', '.join(sorted(ringing))}")
    _deploy(plan, before, say)
    try:
        smoke(clients, stacks.look(cloudformation, plan.stack), plan.photo, say)
        own = own_alarms(cloudformation, plan.stack)
        say(f"watching the alarms of {plan.stack} for {plan.watch_s / 60:.0f} min")
        watch(cloudwatch, own, ringing, plan.watch_s)
    except Exception as failure:
        what = failure if isinstance(failure, CommandError | UsageError) else repr(failure)
        if before is None:
            raise CommandError(
                f"{what}\nThere was no stack {plan.stack} before, so there is none to go back "
                f"to. It is left to look at; make destroy STACK={plan.stack} ends it."
            ) from failure
        say(f"{what}\ngoing back to the stack before")
        try:
            _back(plan, before)
            smoke(clients, stacks.look(cloudformation, plan.stack), plan.photo, say)
        except Exception as another:
            raise CommandError(
                f"{another}\nStack {plan.stack} could not be taken back: it may have this "
                f"release still. What failed first: {what}"
            ) from another
        raise CommandError(
            f"Stack {plan.stack} is as it was before this release, and answers. What failed: {what}"
        ) from failure
    say(f"stack {plan.stack} has this release")


def _deploy(plan: Plan, before: Before | None, say: Callable[[str], None]) -> None:
    model_url = plan.model_url
    if plan.first_model_url and before is not None:
        say(f"{plan.first_model_url} is for a first deployment: {plan.stack} is there already")
    elif not model_url:
        model_url = plan.first_model_url
    try:
        stacks.deploy(plan.stack, model_url, plan.parameters)
    except CommandError as failure:
        if before is None:
            raise CommandError(f"{failure}\n{_never_made(plan.stack)}") from failure
        raise


def _never_made(name: str) -> str:
    return (
        "No deployment can change a stack that was never made whole (ROLLBACK_COMPLETE): "
        f"make destroy STACK={name}, mend what its events name, and release again."
    )


def look(cloudformation: Any, name: str) -> Before | None:
    """The stack as it is; None when there is none, or nothing but a change set to make it.

    Raises CommandError for one that was never made whole, which no deployment can change.
    """
    stack = stacks.described(cloudformation, name)
    if stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return None
    if stack["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):
        raise CommandError(f"Stack {name} is {stack['StackStatus']}. {_never_made(name)}")
    body = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    # botocore reads JSON itself; YAML it leaves as it is.
    template = body if isinstance(body, str) else json.dumps(body)
    return Before(template, stacks.parameters_of(stack))


def own_alarms(cloudformation: Any, name: str) -> list[str]:
    """Names of the stack's alarms. Another stack's may begin with its name."""
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    return [
        resource["PhysicalResourceId"]
        for resource in resources
        if resource["ResourceType"] == "AWS::CloudWatch::Alarm"
    ]


def alarms(cloudwatch: Any, names: Sequence[str]) -> set[str]:
    """Those of these that ring."""
    if not names:  # to CloudWatch no names are all
        return set()
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNames=names)
    found = (alarm for page in pages for alarm in page["MetricAlarms"])
    return {alarm["AlarmName"] for alarm in found if alarm["StateValue"] == "ALARM"}


def watch(
    cloudwatch: Any,
    names: Sequence[str],
    ringing: set[str],
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises CommandError as soon as an alarm of `names` rings that is not among `ringing`."""
    deadline = time.monotonic() + seconds
    while True:
        new = alarms(cloudwatch, names) - ringing
        if new:
            raise CommandError(f"alarm {', '.join(sorted(new))} rings (docs/operate.md)")
        if time.monotonic() >= deadline:
            return
        sleep(min(_POLL_S, max(deadline - time.monotonic(), 0)))


def _back(plan: Plan, before: Before) -> None:
    """The template before, whose zips are in S3 still, with the values before."""
    path = ROOT / ".local" / "release" / plan.stack / "before.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before.template, encoding="utf-8")
    stacks.put(plan.stack, overrides(before.parameters), template=path)


def overrides(parameters: Mapping[str, str]) -> str:
    """For `PARAMETERS=`: the shell takes its quotes off, and sam those within, which it needs where
    a value is empty.
    """
    inner = {
        name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in parameters.items()
    }
    return " ".join(shlex.quote(f'{name}="{value}"') for name, value in inner.items())
