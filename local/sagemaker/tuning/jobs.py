"""The tuning jobs that run, and what became of those that ran when the cloud stopped."""

from __future__ import annotations

import logging
import threading
import time

from local.errors import AwsError
from local.sagemaker.jobs.jobs import OUR_ERROR, TrainingJobs
from local.sagemaker.tuning.run import TABLE, TuningRun
from local.sagemaker.tuning.warm_start import ENDED
from local.store import Record, Store

logger = logging.getLogger(__name__)

CLOUD_STOPPED = "InternalServerError: The local cloud was stopped while the tuning job was running."


class TuningJobs:
    """Runs what it is given, each tuning job in a thread of its own."""

    def __init__(self, store: Store, training: TrainingJobs) -> None:
        self._store = store
        self._training = training
        self._running: dict[str, tuple[TuningRun, threading.Thread]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def restore(self) -> None:
        """Fail what the last cloud left running. Its training jobs are failed by theirs."""
        self._fail_unfinished()

    def create(self, record: Record) -> None:
        """Start a tuning job. Raises AwsError for a name that is taken."""
        arn = record["HyperParameterTuningJobArn"]
        with self._store.changing():
            if arn in self._store[TABLE]:
                raise AwsError(
                    "ResourceInUse",
                    "Tuning job names must be unique within an AWS account and region, and a "
                    f"tuning job with this name already exists ({arn})",
                )
            run = TuningRun(self._store, self._training, record)
            self._store[TABLE][arn] = record
        name = f"tune-{record['HyperParameterTuningJobName']}"
        thread = threading.Thread(target=self._run, args=(run, record), daemon=True, name=name)
        with self._lock:
            if self._closed:
                return
            self._running[arn] = (run, thread)
            thread.start()

    def stop(self, record: Record) -> None:
        """StopHyperParameterTuningJob."""
        self._set(record, "Stopping")
        with self._lock:
            running = self._running.get(record["HyperParameterTuningJobArn"])
        if running is not None:
            running[0].stop()

    def close(self) -> None:
        """Start no more trials, and say in the records why. Before the training jobs are closed."""
        with self._lock:
            self._closed = True
            running = list(self._running.values())
        for run, _ in running:
            run.stop()
        self._fail_unfinished()

    def _fail_unfinished(self) -> None:
        for record in self._store.rows(TABLE):
            if record["HyperParameterTuningJobStatus"] not in ENDED:
                self._set(record, "Failed", CLOUD_STOPPED)

    def _run(self, run: TuningRun, record: Record) -> None:
        limit_s = record["HyperParameterTuningJobConfig"]["ResourceLimits"].get(
            "MaxRuntimeInSeconds"
        )

        def past_deadline() -> bool:
            return limit_s is not None and time.time() > record["CreationTime"] + limit_s

        status: str
        reason: str | None
        try:
            status, reason = run.run(past_deadline)
        except Exception as error:  # or nobody would end the job
            logger.exception("tuning job %s failed", record["HyperParameterTuningJobName"])
            status, reason = "Failed", OUR_ERROR.format(error)
        if not self._closed:
            self._set(record, status, reason)
        with self._lock:
            self._running.pop(record["HyperParameterTuningJobArn"], None)

    def _set(self, record: Record, status: str, reason: str | None = None) -> None:
        now = time.time()
        with self._store.recording():
            if record["HyperParameterTuningJobStatus"] in ENDED:
                return
            record |= {
                "HyperParameterTuningJobStatus": status,
                "LastModifiedTime": now,
                "FailureReason": reason,
            }
            if status in ENDED:
                record["HyperParameterTuningEndTime"] = now
