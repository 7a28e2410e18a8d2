"""The operations on tuning jobs: validated parameters in, the answer's members out."""

from __future__ import annotations

import time
from typing import Any

from local.arns import sagemaker_arn
from local.errors import AwsError
from local.sagemaker import tags
from local.sagemaker.jobs import checks
from local.sagemaker.jobs.jobs import TABLE as TRAINING
from local.sagemaker.listing import page
from local.sagemaker.tuning import request, warm_start
from local.sagemaker.tuning.jobs import TuningJobs
from local.sagemaker.tuning.run import TABLE, not_improving
from local.sagemaker.tuning.summaries import best, children, counters, objective_value, summary
from local.sagemaker.tuning.summaries import objective_of as objective
from local.settings import Settings
from local.store import Record, Store


class TuningOperations:
    def __init__(self, settings: Settings, store: Store, jobs: TuningJobs) -> None:
        self._settings = settings
        self._store = store
        self._jobs = jobs

    def create_hyper_parameter_tuning_job(self, params: dict[str, Any]) -> dict[str, Any]:
        checks.check_environment(self._settings)
        request.check(params)
        warm_start.parents(self._store[TABLE], params)
        arn = sagemaker_arn("hyper-parameter-tuning-job", params["HyperParameterTuningJobName"])
        now = time.time()
        record = {
            **params,
            "HyperParameterTuningJobArn": arn,
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        self._jobs.create(record)
        tags.put(self._store, arn, params.get("Tags", []))
        return {"HyperParameterTuningJobArn": arn}

    def describe_hyper_parameter_tuning_job(self, params: dict[str, Any]) -> dict[str, Any]:
        record = self._find(params["HyperParameterTuningJobName"])
        jobs = children(record, self._store.rows(TRAINING))
        top = best(record, jobs)
        return {
            **record,
            **counters(record, jobs),
            "BestTrainingJob": top,
            "OverallBestTrainingJob": self._overall_best(record, jobs),
            "TuningJobCompletionDetails": {
                "NumberOfTrainingJobsObjectiveNotImproving": not_improving(jobs, top) if top else 0
            },
            "ConsumedResources": {
                "RuntimeInSeconds": sum(job.get("TrainingTimeInSeconds", 0) for job in jobs)
            },
        }

    def list_hyper_parameter_tuning_jobs(self, params: dict[str, Any]) -> dict[str, Any]:
        """By name and ascending unless asked otherwise, as the API reference says."""
        answer = page(
            self._store.rows(TABLE),
            {"SortBy": "Name", **params},
            "HyperParameterTuningJobSummaries",
            "HyperParameterTuningJobName",
            "HyperParameterTuningJobStatus",
            default_order="Ascending",
        )
        training = self._store.rows(TRAINING)
        answer["HyperParameterTuningJobSummaries"] = [
            {
                **record,
                **counters(record, children(record, training)),
                "Strategy": record["HyperParameterTuningJobConfig"]["Strategy"],
                "ResourceLimits": record["HyperParameterTuningJobConfig"]["ResourceLimits"],
            }
            for record in answer["HyperParameterTuningJobSummaries"]
        ]
        return answer

    def list_training_jobs_for_hyper_parameter_tuning_job(
        self, params: dict[str, Any]
    ) -> dict[str, Any]:
        """By name (the order of the trials) and ascending unless asked otherwise."""
        record = self._find(params["HyperParameterTuningJobName"])
        metric = objective(record)["MetricName"]
        jobs = children(record, self._store.rows(TRAINING))
        by_value = params.get("SortBy") == "FinalObjectiveMetricValue"
        if by_value:  # "training jobs that did not return an objective metric are not listed"
            jobs = [job for job in jobs if objective_value(job, metric) is not None]
        answer = page(
            jobs,
            {"SortBy": "Name", **params},
            "TrainingJobSummaries",
            "TrainingJobName",
            "TrainingJobStatus",
            sort_key=(lambda job: objective_value(job, metric)) if by_value else None,
            default_order="Ascending",
        )
        answer["TrainingJobSummaries"] = [
            summary(record, job) for job in answer["TrainingJobSummaries"]
        ]
        return answer

    def stop_hyper_parameter_tuning_job(self, params: dict[str, Any]) -> dict[str, Any]:
        record = self._find(params["HyperParameterTuningJobName"])
        status = record["HyperParameterTuningJobStatus"]
        if status in warm_start.ENDED:
            raise AwsError(
                "ValidationException",
                f"The request was rejected because the tuning job is in status {status}.",
            )
        self._jobs.stop(record)
        return {}

    def _overall_best(self, record: Record, jobs: list[Record]) -> dict[str, Any] | None:
        """The best of this job and its parents, where their objectives can be compared."""
        if "WarmStartConfig" not in record or not warm_start.is_identical(record):
            return None
        training = self._store.rows(TRAINING)
        tops = [best(record, jobs)] + [
            best(parent, children(parent, training))
            for parent in warm_start.parents(self._store[TABLE], record)
        ]
        sign = 1 if objective(record)["Type"] == "Maximize" else -1
        return max(
            (top for top in tops if top),
            key=lambda top: sign * top["FinalHyperParameterTuningJobObjectiveMetric"]["Value"],
            default=None,
        )

    def _find(self, name: str) -> Record:
        record = self._store[TABLE].get(sagemaker_arn("hyper-parameter-tuning-job", name))
        if record is None:
            raise AwsError("ValidationException", "Requested resource not found.")
        return record
