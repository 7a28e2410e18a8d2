"""What is seen of a running job: metrics in its log, and the statuses that its rules write.

Metrics come from AlgorithmSpecification.MetricDefinitions' regular expressions, applied as on AWS
(each to every line; the first group is the value). Rules write output/rules/<Rule>.json, in
AWS's shape. AWS's rule images do not run here: a rule that the request configures and that the job
does not report itself ends as Error, with words that say so.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import AwsError
from local.store import Record


@dataclass(frozen=True)
class MetricDefinition:
    name: str
    pattern: re.Pattern[str]

    def values(self, line: str) -> Iterator[float]:
        """Every value that the line holds. Text that is no finite number is no value."""
        for match in self.pattern.finditer(line):
            try:
                value = float(match.group(1))
            except (TypeError, ValueError):  # a group that took no part, or took words
                continue
            if math.isfinite(value):
                yield value


def definitions(members: Sequence[dict[str, str]]) -> list[MetricDefinition]:
    """MetricDefinitions, compiled. Raises AwsError for an expression without a group."""
    compiled = []
    for member in members:
        try:
            pattern = re.compile(member["Regex"])
        except re.error as error:
            raise _refused(member, f"is not a regular expression: {error}") from error
        if not pattern.groups:
            raise _refused(member, 'has no group for the value, such as "loss=([0-9.]+)"')
        compiled.append(MetricDefinition(member["Name"], pattern))
    return compiled


def _refused(member: dict[str, str], what: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"Invalid MetricDefinition for {member['Name']}: {member['Regex']!r} {what}.",
    )


class MetricReader:
    """Follows one log file a host. Thread-safe: the job reads on, the tuner looks at the values."""

    def __init__(self, log_files: Sequence[Path], wanted: Sequence[MetricDefinition]) -> None:
        self._positions = dict.fromkeys(log_files, 0)
        self._halves = dict.fromkeys(log_files, b"")
        self._wanted = wanted
        self._lock = threading.Lock()
        self._series: dict[str, list[float]] = {definition.name: [] for definition in wanted}
        self._read_at: dict[str, float] = {}

    def read_on(self) -> None:
        """Take what was written since the last call; a line that is not whole yet waits."""
        with self._lock:
            for file in self._positions:
                self._read_file(file)

    def _read_file(self, file: Path) -> None:
        with file.open("rb") as log:
            log.seek(self._positions[file])
            new = log.read()
        self._positions[file] += len(new)
        *lines, self._halves[file] = (self._halves[file] + new).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace"))

    def _take(self, line: str) -> None:
        for definition in self._wanted:
            values = list(definition.values(line))
            if values:
                self._series[definition.name] += values
                self._read_at[definition.name] = time.time()

    def series(self, name: str) -> list[float]:
        """Every value of one metric so far, oldest first."""
        with self._lock:
            return list(self._series.get(name, []))

    def final_data(self) -> list[dict[str, Any]]:
        """FinalMetricDataList: the last value of each metric that has one."""
        with self._lock:
            return [
                {"MetricName": name, "Value": values[-1], "Timestamp": self._read_at[name]}
                for name, values in self._series.items()
                if values
            ]


_MEMBERS = (
    "RuleConfigurationName",
    "RuleEvaluationStatus",
    "StatusDetails",
    "LastModifiedTime",
)
_NO_IMAGE = (
    "The local cloud does not run AWS's rule images, and the job wrote no status of its own for "
    "this rule to output/rules."
)


def read_statuses(folder: Path) -> list[dict[str, Any]]:
    """One status a file, by name. A file that is being written is taken at the next look."""
    statuses = []
    for file in sorted(folder.glob("*.json")):
        try:
            content = json.loads(file.read_text())
            status = {member: content[member] for member in _MEMBERS if member in content}
        except (OSError, ValueError, TypeError):
            continue
        if status.get("RuleEvaluationStatus"):
            statuses.append({"RuleConfigurationName": file.stem, **status})
    return statuses


def evaluations(record: Record, statuses: list[dict[str, Any]]) -> dict[str, Any]:
    """DebugRuleEvaluationStatuses and ProfilerRuleEvaluationStatuses of an answer.

    None for a list that would be empty: the SDK's shapes reject those.
    """
    reported = {status["RuleConfigurationName"]: status for status in statuses}
    debug_rules = _configured(record, "DebugRuleConfigurations", reported)
    profiler_rules = _configured(record, "ProfilerRuleConfigurations", reported)
    taken = {status["RuleConfigurationName"] for status in [*debug_rules, *profiler_rules]}
    own = [status for name, status in reported.items() if name not in taken]
    return {
        "DebugRuleEvaluationStatuses": [*debug_rules, *own] or None,
        "ProfilerRuleEvaluationStatuses": profiler_rules or None,
    }


def _configured(
    record: Record, member: str, reported: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    running = "TrainingEndTime" not in record
    missing: dict[str, Any] = (
        {"RuleEvaluationStatus": "InProgress"}
        if running
        else {"RuleEvaluationStatus": "Error", "StatusDetails": _NO_IMAGE}
    )
    missing["LastModifiedTime"] = record["LastModifiedTime"]
    names = [rule["RuleConfigurationName"] for rule in record.get(member, [])]
    return [reported.get(name) or {"RuleConfigurationName": name, **missing} for name in names]
