"""The process that evaluates the rules while the job trains.

    python -m training.debugger.runner TENSORS '{"Overfit": {"patience": 2}, ...}' \\
        '{"rounds": [], "issues": {}}'

The last argument is training.debugger.Earlier without its steps.

Follows the trial in TENSORS, keeps `<rule>.json` up to date in its working directory and logs every
change of a status. Ends when the trial has ended and every rule has seen all of it. The training
process holds the other end of stdin: when that closes, for whatever reason, there will be no more
steps, and this process finishes with those that there are.

Exit codes: 0 done, 1 smdebug could not be imported, 2 used wrongly.
"""

import json
import os
import select
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.debugger.status import Evaluation, RuleStatus, write_seen

if TYPE_CHECKING:
    from training.debugger.rules import StepRule
    from training.debugger.smdebug_bridge import FollowedTrial

POLL_S = 0.25
FINISH = b"finish"  # the training process' message that every step has been written
FINISH_S = 5.0  # how long that message may arrive after the trial's end is on disk
NICENESS = 5  # training goes first where both want the processor


class RuleRun:
    """One rule and its status."""

    def __init__(self, name: str, parameters: Mapping[str, Any], statuses: Path) -> None:
        self.name, self.parameters, self.statuses = name, parameters, statuses
        self.rule: StepRule | None = None
        self.status: RuleStatus | None = None
        self.steps = 0
        self.set("InProgress", "")

    @property
    def running(self) -> bool:
        """Whether there is no verdict yet."""
        return self.status == "InProgress"

    def create(
        self, rule_class: type["StepRule"], trial: "FollowedTrial", earlier: Mapping[str, Any]
    ) -> None:
        """Build the rule and replay what happened before the checkpoint.

        A rule that cannot be built gets the status Error; the others are not affected.
        """
        try:
            self.rule = rule_class(trial, **self.parameters)
            if self.name in earlier["issues"]:
                self.set("IssuesFound", earlier["issues"][self.name])
                return
            for step, train_loss, validation_loss in earlier["rounds"]:
                if self.rule.earlier_round(step, train_loss, validation_loss):
                    self.set("IssuesFound", f"step {step}: {self.rule.details}", step)
                    return
        except Exception as error:  # noqa: BLE001  # one rule's bug must not stop the others
            self.fail(error, None)

    def invoke(self, step: int) -> None:
        """Evaluate the rule at one step."""
        from training.debugger.smdebug_bridge import NOT_RECORDED, RuleEvaluationConditionMet

        assert self.rule is not None  # noqa: S101  # create comes first
        try:
            self.rule.invoke(step)
        except NOT_RECORDED:
            return  # a tensor that the hook was not asked for
        except RuleEvaluationConditionMet:
            self.set("IssuesFound", f"step {step}: {self.rule.details}", step)
        except Exception as error:  # noqa: BLE001  # as above
            self.fail(error, step)
        self.steps += 1

    def end(self, last_step: int | None, complete: bool) -> None:
        """Set the final status."""
        if not self.running:
            return
        if not complete:
            self.set("Stopped", f"the training process died; {self.steps} steps seen")
            return
        try:
            met = self.rule is not None and self.rule.at_end()
        except Exception as error:  # noqa: BLE001  # as above
            self.fail(error, last_step)
            return
        if met and self.rule is not None:
            self.set("IssuesFound", f"step {last_step}: {self.rule.details}", last_step)
        else:
            self.set("NoIssuesFound", f"{self.steps} steps seen")

    def fail(self, error: Exception, step: int | None) -> None:
        """Set the status Error: the rule itself failed."""
        where = "" if step is None else f"step {step}: "
        self.set("Error", f"{where}{type(error).__name__}: {error}", step)

    def set(self, status: RuleStatus, details: str, step: int | None = None) -> None:
        """Write the status file and log a verdict."""
        self.status = status
        parameters = self.rule.parameters if self.rule else self.parameters
        points = tuple(self.rule.datapoints) if self.rule else ()
        Evaluation(self.name, status, details, parameters, step, points).write(self.statuses)
        if status != "InProgress":
            joint = " at " if step is not None else ": "
            print(f"[rule] {self.name}: {status}{joint}{details}", flush=True)


class Parent:
    """The training process, as seen through stdin."""

    def __init__(self) -> None:
        self.received = b""
        self.open = True

    def wait(self, seconds: float) -> None:
        """Wait for a message, at most `seconds`; returns at once when stdin has closed."""
        if self.open and select.select([0], [], [], seconds)[0]:
            message = os.read(0, 1024)
            self.received += message
            self.open = bool(message)

    @property
    def gone(self) -> bool:
        """Whether there will be no more steps."""
        return not self.open or self.finished

    @property
    def finished(self) -> bool:
        """Whether it ended in order."""
        return FINISH in self.received


def main() -> int:
    """Evaluate the rules named on the command line."""
    if len(sys.argv) != 4:
        print("usage: python -m training.debugger.runner TENSORS RULES EARLIER", file=sys.stderr)
        return 2
    os.nice(NICENESS)
    tensors, statuses = Path(sys.argv[1]), Path()
    rules: dict[str, dict[str, Any]] = json.loads(sys.argv[2])
    runs = [RuleRun(name, parameters, statuses) for name, parameters in rules.items()]
    # smdebug imports torch if it can, and works without: two seconds of CPU time less.
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        from training.debugger.rules import CLASSES
        from training.debugger.smdebug_bridge import FollowedTrial
    except Exception as error:  # noqa: BLE001  # smdebug raises all kinds where it does not fit
        reason = f"smdebug cannot be imported ({type(error).__name__}: {error})"
        print(f"[debugger] {reason}; training continues without rules", file=sys.stderr, flush=True)
        for run in runs:
            Evaluation(run.name, "Error", reason, run.parameters).write(statuses)
        return 1
    parent = Parent()
    while not FollowedTrial.exists(tensors) and not parent.gone:
        parent.wait(POLL_S)
    last = None
    if FollowedTrial.exists(tensors):
        trial = FollowedTrial(tensors)
        for run in runs:
            run.create(CLASSES[run.name], trial, json.loads(sys.argv[3]))
        last = follow(trial, tensors, parent, runs)
    for run in runs:
        run.end(last, complete=parent.finished)
    return 0


def follow(
    trial: "FollowedTrial", tensors: Path, parent: Parent, runs: list[RuleRun]
) -> int | None:
    """Evaluate every rule at every step until the trial ends; returns the last step."""
    last = None
    ended = False
    while not ended:
        # Asked before the steps are listed: after the end no step can be missed.
        ended = trial.ended(tensors) or parent.gone
        steps = trial.new_steps()
        for step in steps:
            parent.wait(0)
            if parent.gone and not parent.finished:
                return last  # it died: nobody waits for the verdict
            for run in runs:
                if run.running:
                    run.invoke(step)
            last = step
        trial.forget(steps)
        if steps and runs:
            write_seen(runs[0].statuses, steps[-1])
        if not ended:
            parent.wait(POLL_S)
    parent.wait(FINISH_S)
    return last


if __name__ == "__main__":
    sys.exit(main())
