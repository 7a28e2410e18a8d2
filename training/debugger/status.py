"""Status files: `<folder>/<rule>.json`, one a rule, in the words of DescribeTrainingJob.

    {"RuleConfigurationName", "RuleEvaluationStatus", "StatusDetails", "LastModifiedTime" (seconds
     since the epoch), "RuleParameters" {name: value}, "Step" (global step of the finding, or null),
     "Datapoints" [what the verdict rests on, the newest last, at most MAX_DATAPOINTS]}

The first four are the fields of RuleEvaluationStatuses but for RuleEvaluationJobArn, which only a
cloud can give. Written by the rules' process, read by the training process and the local SageMaker.
"""

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.debugger.trial_files import replace

RuleStatus = Literal["InProgress", "NoIssuesFound", "IssuesFound", "Error", "Stopping", "Stopped"]
SEEN = ".seen"  # the last step that every rule has looked at, beside the status files
FINAL = ("NoIssuesFound", "IssuesFound", "Error", "Stopped")
MAX_DATAPOINTS = 50


@dataclass(frozen=True)
class Evaluation:
    """One rule's state."""

    rule: str
    status: RuleStatus
    details: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    step: int | None = None
    datapoints: tuple[Mapping[str, Any], ...] = ()

    def write(self, folder: Path) -> None:
        """Write `<folder>/<rule>.json`; a reader sees the old file or the new one."""
        content = {
            "RuleConfigurationName": self.rule,
            "RuleEvaluationStatus": self.status,
            "StatusDetails": self.details,
            "LastModifiedTime": round(time.time(), 3),
            "RuleParameters": dict(self.parameters),
            "Step": self.step,
            "Datapoints": [plain(point) for point in self.datapoints[-MAX_DATAPOINTS:]],
        }
        replace(folder / f"{self.rule}.json", json.dumps(content, indent=2).encode())


def plain(point: Mapping[str, Any]) -> dict[str, Any]:
    """A data point as JSON knows it: numbers to 6 digits, NaN and infinities by name."""
    return {name: plain_value(value) for name, value in point.items()}


def plain_value(value: Any) -> Any:
    """One value of a data point."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else str(value)


def read(folder: Path, rule: str) -> dict[str, Any] | None:
    """A rule's status file, or None where it has not been written yet."""
    try:
        content: dict[str, Any] = json.loads((folder / f"{rule}.json").read_bytes())
    except FileNotFoundError:
        return None
    return content


def write_seen(folder: Path, step: int) -> None:
    """Note that every rule has looked at the steps up to this global one."""
    replace(folder / SEEN, str(step).encode())


def read_seen(folder: Path) -> int:
    """The last step that every rule has looked at; -1 before any."""
    try:
        return int((folder / SEEN).read_bytes())
    except FileNotFoundError:
        return -1


def table(folder: Path, rules: Iterable[str]) -> str:
    """The rules' statuses as lines of text, aligned: rule, status, details."""
    rows = [(rule, read(folder, rule) or {}) for rule in rules]
    width = max((len(rule) for rule, _ in rows), default=0)
    return "\n".join(
        f"{rule:<{width}}  {row.get('RuleEvaluationStatus', 'unknown'):<13}  "
        f"{row.get('StatusDetails', '')}".rstrip()
        for rule, row in rows
    )
