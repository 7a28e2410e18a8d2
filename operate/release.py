"""This checkout, put into a deployed stack and watched; the stack before it, if that fails.

CloudFormation goes back by itself when a resource cannot be made. This goes back, too, when all
were made and the stack does not work: no row for a photo, or an alarm.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from operate.smoke import Photo, smoke
from training.jobs import stack as stacks
from training.jobs.errors import CommandError
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
    """`model_url` and `parameters` (NAME=VALUE ...) as for `make stack`; empty: as they were."""

    stack: str
    model_url: str
    parameters: str
    photo: Photo
    watch_s: float


def release(clients: Callable[[str], Any], plan: Plan, say: Callable[[str], None]) -> None:
    """Deploy, send a photo through, watch the stack's alarms for `watch_s`.

    Raises CommandError, after the stack before is back, when any of it fails.
    """
    before = look(clients("cloudformation"), plan.stack)
    ringing = alarms(clients("cloudwatch"), plan.stack)
    if ringing:
        say(f"ringing already, so not taken for a failure: {', '.join(sorted(ringing))}")
    stacks.deploy(plan.stack, plan.model_url, plan.parameters)
    try:
        deployed = stacks.look(clients("cloudformation"), plan.stack)
        smoke(clients, deployed, plan.photo, say)
        watch(clients("cloudwatch"), plan.stack, ringing, plan.watch_s, say)
    except CommandError as failure:
        if before is None:
            raise CommandError(
                f"{failure}\nThere was no stack {plan.stack} before, so there is none to go back "
                f"to. It is left to look at; make destroy STACK={plan.stack} ends it."
            ) from failure
        say(f"{failure}\ngoing back to the stack before")
        _back(clients, plan, before)
        smoke(clients, stacks.look(clients("cloudformation"), plan.stack), plan.photo, say)
        raise CommandError(
            f"Stack {plan.stack} is as it was before this release, and answers. What failed: "
            f"{failure}"
        ) from failure
    say(f"stack {plan.stack} has this release")


def look(cloudformation: Any, name: str) -> Before | None:
    """The stack as it is; None when there is none."""
    stack = stacks.described(cloudformation, name)
    if stack is None:
        return None
    body = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    # botocore reads JSON itself; YAML it leaves as it is.
    template = body if isinstance(body, str) else json.dumps(body)
    return Before(template, stacks.parameters_of(stack))


def alarms(cloudwatch: Any, name: str) -> set[str]:
    """Names of the stack's alarms that ring."""
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{name}-", StateValue="ALARM"
    )
    return {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]}


def watch(
    cloudwatch: Any,
    name: str,
    ringing: set[str],
    seconds: float,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises CommandError as soon as an alarm rings that is not among `ringing`."""
    say(f"watching the alarms {name}-... for {seconds / 60:.0f} min")
    deadline = time.monotonic() + seconds
    while True:
        new = alarms(cloudwatch, name) - ringing
        if new:
            raise CommandError(f"alarm {', '.join(sorted(new))} rings (docs/operate.md)")
        if time.monotonic() >= deadline:
            return
        sleep(min(_POLL_S, max(deadline - time.monotonic(), 0)))


def _back(clients: Callable[[str], Any], plan: Plan, before: Before) -> None:
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
