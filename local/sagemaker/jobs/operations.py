"""The operations on training jobs: validated parameters in, the answer's members out."""

from __future__ import annotations

from typing import Any

from local.arns import sagemaker_arn
from local.errors import AwsError
from local.sagemaker import tags
from local.sagemaker.jobs import checks
from local.sagemaker.jobs.files import JobFiles
from local.sagemaker.jobs.jobs import TABLE, TrainingJobs
from local.sagemaker.jobs.observed import evaluations, read_statuses
from local.sagemaker.jobs.record import ENDED, new_record
from local.sagemaker.listing import page
from local.settings import Settings
from local.store import Record, Store


class TrainingOperations:
    def __init__(self, settings: Settings, store: Store, jobs: TrainingJobs) -> None:
        self._settings = settings
        self._store = store
        self._jobs = jobs

    def create_training_job(self, params: dict[str, Any]) -> dict[str, Any]:
        checks.check_environment(self._settings)
        checks.check_job(params)
        record = new_record(params)
        self._jobs.create(record)
        tags.put(self._store, record["TrainingJobArn"], params.get("Tags", []))
        return {"TrainingJobArn": record["TrainingJobArn"]}

    def describe_training_job(self, params: dict[str, Any]) -> dict[str, Any]:
        record = self._find(params["TrainingJobName"])
        statuses = record.get("_rules")
        if statuses is None:
            statuses = read_statuses(JobFiles.of(self._settings.sagemaker_dir, record).rules)
        return {**record, **evaluations(record, statuses)}

    def list_training_jobs(self, params: dict[str, Any]) -> dict[str, Any]:
        checks.refuse(params, ("WarmPoolStatusEquals", "TrainingPlanArnEquals"))
        return page(
            self._store.rows(TABLE),
            params,
            "TrainingJobSummaries",
            "TrainingJobName",
            "TrainingJobStatus",
        )

    def stop_training_job(self, params: dict[str, Any]) -> dict[str, Any]:
        record = self._find(params["TrainingJobName"])
        status = record["TrainingJobStatus"]
        if status in ENDED:
            raise AwsError(
                "ValidationException",
                f"The request was rejected because the training job is in status {status}.",
            )
        if status != "Stopping":
            self._jobs.stop(record)
        return {}

    def _find(self, name: str) -> Record:
        record = self._store[TABLE].get(sagemaker_arn("training-job", name))
        if record is None:
            raise AwsError("ValidationException", "Requested resource not found.")
        return record
