"""One tuning job from its first trial to its end, in a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.arns import region_of, request_region
from local.sagemaker.jobs.jobs import TABLE as TRAINING
from local.sagemaker.jobs.jobs import TrainingJobs
from local.sagemaker.jobs.record import ENDED, new_record
from local.sagemaker.jobs.run import JobRun
from local.sagemaker.tuning import ranges, request, warm_start
from local.sagemaker.tuning.early_stopping import worse_than_median
from local.sagemaker.tuning.search import GridSearch, Search, Trial
from local.sagemaker.tuning.summaries import (
    best,
    children,
    objective_of,
    objective_status,
    objective_value,
)
from local.store import Record, Store

logger = logging.getLogger(__name__)

TABLE = "tuning_jobs"
_LOOK_S = 0.5
# After so many jobs without one value AWS gives up, in these words.
_HOPELESS_AFTER = 5
_NO_OBJECTIVE = (
    "No objective metrics found after running {count} training jobs. Please ensure that the custom "
    "algorithm is emitting the objective metric as defined by the regular expression provided."
)


@dataclass
class RunningTrial:
    """A trial whose training job has not been told to the search yet."""

    trial: Trial
    job: Record
    run: JobRun
    stopped_early: bool = False
    values: list[float] = field(default_factory=list)


class TuningRun:
    """`run` blocks until the tuning job has ended; `stop` may be called from any thread."""

    def __init__(self, store: Store, jobs: TrainingJobs, tuning: Record) -> None:
        self._store = store
        self._jobs = jobs
        self._tuning = tuning
        self._config: dict[str, Any] = tuning["HyperParameterTuningJobConfig"]
        self._objective = objective_of(tuning)
        self._maximise = self._objective["Type"] == "Maximize"
        self._started = 0
        self._running: list[RunningTrial] = []
        self._ended: list[list[float]] = []  # the objective's values of each trial that has ended
        self._exhausted = False
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def run(self, past_deadline: Callable[[], bool]) -> tuple[str, str | None]:
        """The last status, and the reason if it is Failed."""
        request_region.set(region_of(self._tuning["HyperParameterTuningJobArn"]))
        search = self._search()
        status, reason = "Completed", None
        while True:
            self._collect(search)
            if self._stopping.is_set() or past_deadline():
                status = "Stopped"
                break
            if reason := self._hopeless():
                status = "Failed"
                break
            if self._satisfied():
                break
            self._start_trials(search)
            if not self._running:
                break
            self._watch(search)
            self._jobs.wait(self._any_ended, _LOOK_S)
        self._stop_all(search)
        return status, reason

    def _search(self) -> Search:
        found = ranges.parse(self._config["ParameterRanges"])
        strategy = self._config["Strategy"]
        if strategy == "Grid":
            return GridSearch(ranges.grid(found))
        # Optuna takes a second to load, which only a tuning job has to pay.
        from local.sagemaker.tuning.optuna_search import OptunaSearch

        search = OptunaSearch(
            strategy,
            found,
            self._maximise,
            self._config.get("RandomSeed"),
            request.max_jobs(self._config),
            request.hyperband_resources(self._config),
        )
        for parent in warm_start.parents(self._store[TABLE], self._tuning):
            jobs = children(parent, self._store.rows(TRAINING))
            if not warm_start.is_identical(self._tuning):
                if top := best(parent, jobs):
                    search.try_first(top["TunedHyperParameters"])
                continue
            for job in jobs:
                value = objective_value(job, self._objective["MetricName"])
                if value is not None:
                    search.learn(job["_tuned"], value)
        return search

    def _start_trials(self, search: Search) -> None:
        limits = self._config["ResourceLimits"]
        parallel = limits["MaxParallelTrainingJobs"]
        threads = max(1, (os.cpu_count() or 1) // parallel)
        while len(self._running) < parallel and self._started < request.max_jobs(self._config):
            trial = search.ask()
            if trial is None:
                self._exhausted = True
                return
            self._started += 1
            job = new_record(
                request.training_job(self._tuning, self._started, trial.values),
                self._tuning["HyperParameterTuningJobArn"],
            )
            job["_tuned"] = trial.values
            run = self._jobs.create(job, threads)
            self._running.append(RunningTrial(trial, job, run))

    def _watch(self, search: Search) -> None:
        """End the running trials that are not worth going on with."""
        auto = self._config.get("TrainingJobEarlyStoppingType") == "Auto"
        for one in self._running:
            values = one.run.metrics.series(self._objective["MetricName"])
            if one.stopped_early or len(values) == len(one.values):
                continue
            one.values = values
            hopeless = search.report(one.trial, values)
            if auto:
                hopeless = hopeless or worse_than_median(values, self._ended, self._maximise)
            if hopeless and one.job["TrainingJobStatus"] not in ENDED:
                logger.info("trial %s is stopped early", one.job["TrainingJobName"])
                one.stopped_early = True
                self._jobs.stop(one.job)

    def _any_ended(self) -> bool:
        return any(one.job["TrainingJobStatus"] in ENDED for one in self._running)

    def _collect(self, search: Search) -> None:
        """Tell the search of the trials that have ended."""
        metric = self._objective["MetricName"]
        for one in [one for one in self._running if one.job["TrainingJobStatus"] in ENDED]:
            self._running.remove(one)
            values = one.run.metrics.series(metric)
            search.report(one.trial, values)
            usable = objective_status(one.job, metric) == "Succeeded"
            search.tell(one.trial, objective_value(one.job, metric) if usable else None)
            if usable:
                self._ended.append(values)

    def _hopeless(self) -> str | None:
        """Why to give up: so many jobs have ended, or all of them, and none had an objective."""
        ended = self._started - len(self._running)
        all_ended = not self._running and self._started == request.max_jobs(self._config)
        if self._ended or not (
            ended >= _HOPELESS_AFTER or (ended and (all_ended or self._exhausted))
        ):
            return None
        return _NO_OBJECTIVE.format(count=ended)

    def _satisfied(self) -> bool:
        """Whether TuningJobCompletionCriteria are met."""
        criteria = self._config.get("TuningJobCompletionCriteria", {})
        jobs = children(self._tuning, self._store.rows(TRAINING))
        top = best(self._tuning, jobs)
        if top is None:
            return False
        target = criteria.get("TargetObjectiveMetricValue")
        value = top["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        if target is not None and (value >= target if self._maximise else value <= target):
            return True
        patience = criteria.get("BestObjectiveNotImproving", {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        )
        return patience is not None and not_improving(jobs, top) >= patience

    def _stop_all(self, search: Search) -> None:
        for one in self._running:
            self._jobs.stop(one.job)
        while self._running:
            self._jobs.wait(self._any_ended, _LOOK_S)
            if self._jobs.closed:
                return
            self._collect(search)


def not_improving(jobs: list[Record], top: dict[str, Any]) -> int:
    """How many jobs have ended since the best one did, without being better."""
    best_end = top["TrainingEndTime"]
    return sum(1 for job in jobs if job.get("TrainingEndTime", 0) > best_end)
