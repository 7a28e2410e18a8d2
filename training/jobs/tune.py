"""`tune`: search the hyperparameters with a SageMaker tuning job over shared features.

Writes tuning.json (what `train` reads) and two plots.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.jobs import features, trials, tuning_plots
from training.jobs.config import Config, Continuous
from training.jobs.definition import job_name
from training.jobs.errors import UsageError
from training.jobs.run import Launch
from training.jobs.trials import Trial
from training.metric_lines import OBJECTIVE

RESULT = "tuning.json"
# A trial is one of many: what only serves looking at one job closely stays off.
TRIAL_HYPERPARAMETERS = {"debug": "false", "profile": "false"}


@dataclass(frozen=True)
class Best:
    """The outcome of a search: the best job, and its tuned hyperparameters as texts."""

    tuning_job: str
    job: str
    objective: float
    hyperparameters: dict[str, str] = field(default_factory=dict)


def tune(run: Launch, out: Path) -> Best:
    """Run the search and write its results below `out`. Raises CommandError when it fails."""
    config = _for_trials(run.config)
    shared = features.ensure(run.sdk, run.config, run.place, run.data, run.code, run.say)
    # With the features a trial needs no photo: nothing is downloaded a second time.
    channels = {"features": shared} if shared else {"data": run.data.uri}
    name = job_name(config.jobs.name, "tune")
    run.sdk.start_tuning(name, config, run.place, channels)
    run.say(f"tuning job {name}: {config.tuning.strategy} over {', '.join(config.ranges)}")
    try:
        job, found = trials.watch(run.sdk.client("sagemaker"), name, OBJECTIVE, run.console)
    except KeyboardInterrupt:
        run.say(
            f"The tuning job {name} goes on. To stop it: aws sagemaker "
            f"stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name {name}"
        )
        raise
    best = _best(name, job)
    _write(out, run, best, found)
    run.say(f"best: {best.job}, {OBJECTIVE} {best.objective:.4f}, {best.hyperparameters}")
    logarithmic = {
        name
        for name, spec in config.ranges.items()
        if isinstance(spec, Continuous) and spec.scaling == "Logarithmic"
    }
    plots = tuning_plots.draw(found, best.job, OBJECTIVE, logarithmic, out)
    for path in (out / RESULT, *plots):
        run.say(f"wrote {path}")
    return best


def read_best(path: Path) -> Best:
    """What `tune` found, from the file that it wrote. Raises UsageError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        best = content["best"]
        return Best(content["tuning_job"], best["job"], best["objective"], best["hyperparameters"])
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}. Run `make tune` first, or train with the configuration's "
            "own hyperparameters: --untuned"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a result of `make tune` ({error!r})") from error


def _for_trials(config: Config) -> Config:
    hyperparameters = {**config.hyperparameters, **TRIAL_HYPERPARAMETERS}
    return Config(config.jobs, hyperparameters, config.tuning, config.ranges)


def _best(tuning_job: str, job: dict[str, Any]) -> Best:
    summary = Trial.from_summary(job["BestTrainingJob"])
    return Best(
        tuning_job, summary.name, float(summary.objective or 0.0), dict(summary.hyperparameters)
    )


def _write(out: Path, run: Launch, best: Best, found: Sequence[Trial]) -> None:
    content = {
        "tuning_job": best.tuning_job,
        "objective": OBJECTIVE,
        "best": {
            "job": best.job,
            "objective": best.objective,
            "hyperparameters": best.hyperparameters,
        },
        "fixed": dict(run.config.hyperparameters),
        "data": {"uri": run.data.uri, "digest": run.data.digest},
        "code": run.code.digest,
        "image": run.place.image,
        "trials": [trial.to_json() for trial in found],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULT).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
