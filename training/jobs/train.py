"""`train`: the debugged, profiled training job with the best hyperparameters.

Follows its log, downloads what it made, shows what the rules found; writes train.json, which
`deploy` and `evaluate` read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from training.jobs import artefacts, features, follow, source
from training.jobs.definition import JobDefinition, job_name, training_request
from training.jobs.errors import CommandError, UsageError
from training.jobs.managed_rules import request_members
from training.jobs.run import Launch

RESULT = "train.json"
WATCHED = {"debug": "true", "profile": "true"}
_STYLES = {"NoIssuesFound": "green", "IssuesFound": "yellow", "Error": "red"}
# Where a job leaves them in its output; see training/debugger and training/profiler.
_RULES, _REPORT, _PLOTS = "rules", "profiler-report/profiler-report.html", "plots"


@dataclass(frozen=True)
class TrainedJob:
    """A finished training job; `rules` maps a rule's name to its status."""

    job: str
    model_data: str
    model_version: str
    hyperparameters: dict[str, str]
    rules: dict[str, str]
    metrics: dict[str, float]
    seconds: float
    billable_seconds: int | None
    git_commit: str = ""


def train(
    run: Launch, tuned: Mapping[str, str], out: Path, spot: bool, managed: bool
) -> TrainedJob:
    """Run the job with the configuration's hyperparameters and the `tuned` ones on top.

    Raises CommandError when it does not complete.
    """
    shared = features.ensure(run.sdk, run.config, run.place, run.data, run.code, run.say)
    name = job_name(run.config.jobs.name, "train")
    hyperparameters = {**run.config.hyperparameters, **tuned, **WATCHED}
    job = JobDefinition(
        name,
        hyperparameters,
        {"data": run.data.uri} | ({"features": shared} if shared else {}),
        spot=spot,
        extras=request_members(run.place.output, run.sdk.region) if managed else {},
    )
    began = time.monotonic()
    run.sdk.start_training(training_request(job, run.place, run.config.jobs))
    run.say(f"training job {name}: {hyperparameters}")
    ended = _follow(run, name)
    seconds = time.monotonic() - began
    artefacts.fetch(run.sdk.client("s3"), ended, out)
    manifest = artefacts.read_manifest(out / artefacts.MODEL)
    trained = TrainedJob(
        job=name,
        model_data=ended["ModelArtifacts"]["S3ModelArtifacts"],
        model_version=manifest["version"],
        hyperparameters=hyperparameters,
        rules=_rule_statuses(ended, out),
        metrics={m["MetricName"]: m["Value"] for m in ended.get("FinalMetricDataList", [])},
        seconds=round(seconds, 1),
        billable_seconds=ended.get("BillableTimeInSeconds"),
        git_commit=source.git_commit(),
    )
    (out / RESULT).write_text(json.dumps(asdict(trained), indent=2) + "\n", encoding="utf-8")
    _show(run, trained, out)
    return trained


def read_result(path: Path) -> TrainedJob:
    """What `train` wrote. Raises UsageError."""
    try:
        return TrainedJob(**json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}. Run `make train` first.") from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: not a result of `make train` ({error})") from error


def _follow(run: Launch, name: str) -> dict[str, Any]:
    try:
        return follow.to_the_end(run.sdk.client("sagemaker"), run.sdk.client("logs"), name, run.say)
    except KeyboardInterrupt:
        run.say(
            f"The training job {name} goes on. To stop it: "
            f"aws sagemaker stop-training-job --training-job-name {name}"
        )
        raise


def _rule_statuses(job: Mapping[str, Any], out: Path) -> dict[str, str]:
    """By rule: what the job's own output says, and what SageMaker says of managed rules."""
    statuses = {}
    for path in sorted((out / _RULES).glob("*.json")):
        try:
            rule = json.loads(path.read_text(encoding="utf-8"))
            statuses[rule["RuleConfigurationName"]] = rule["RuleEvaluationStatus"]
        except (ValueError, KeyError) as error:
            raise CommandError(f"{path}: not a rule's status: {error!r}") from error
    for member in ("DebugRuleEvaluationStatuses", "ProfilerRuleEvaluationStatuses"):
        for rule in job.get(member, []):
            statuses[rule["RuleConfigurationName"]] = rule["RuleEvaluationStatus"]
    return statuses


def _show(run: Launch, trained: TrainedJob, out: Path) -> None:
    table = Table(title="Rules", title_justify="left")
    table.add_column("rule")
    table.add_column("status")
    for name, status in sorted(trained.rules.items()):
        style = _STYLES.get(status, "cyan")
        table.add_row(name, f"[{style}]{status}[/{style}]")
    run.console.print(table)
    run.say(", ".join(f"{name} {value:.4f}" for name, value in sorted(trained.metrics.items())))
    run.say(f"model {trained.model_version}: {trained.model_data}")
    for path in (out / _REPORT, out / _PLOTS, out / RESULT):
        if path.exists():
            run.say(f"see {path}")
