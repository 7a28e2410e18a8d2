"""Status files: `<folder>/<rule>.json`, one a rule, in the terms of DescribeTrainingJob.

    {"RuleConfigurationName", "RuleEvaluationStatus", "StatusDetails", "LastModifiedTime" (seconds
     since the epoch), "RuleParameters" {name: value}, "Step" (global step of the finding, or null),
     "Datapoints" [the evidence of the verdict, the newest last, at most MAX_DATAPOINTS]}

The first four are the fields of RuleEvaluationStatuses, without RuleEvaluationJobArn, which exists
only in AWS. Written by the rules' process, read by the training process and the local SageMaker.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.debugger.trial_files import replace

RuleStatus = Literal["InProgress", "NoIssuesFound", "IssuesFound", "Error", "Stopping", "Stopped"]
SEEN = ".seen"  # the last step that every rule has seen, beside the status files
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
    """A data point as JSON: numbers to 6 digits, NaN and infinities by name."""
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
    """Record that every rule has seen the steps up to this global one."""
    replace(folder / SEEN, str(step).encode())


def read_seen(folder: Path) -> int:
    """The last step that every rule has seen; -1 before any."""
    try:
        return int((folder / SEEN).read_bytes())
    except FileNotFoundError:
        return -1
