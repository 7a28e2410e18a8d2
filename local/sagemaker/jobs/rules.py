"""Rule statuses: what the job's own rules write to output/rules/<Rule>.json, in AWS's shape.

AWS's rule images do not run here. A rule that the request configures and that the job does not
report itself ends as Error, with words that say so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from local.store import Record

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
