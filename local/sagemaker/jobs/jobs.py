"""The training jobs that run, and what became of those that ran when the cloud stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from local.errors import AwsError
from local.sagemaker.jobs.environments import Environments
from local.sagemaker.jobs.files import JobFiles
from local.sagemaker.jobs.inputs import ObjectCache
from local.sagemaker.jobs.record import ENDED, Journal
from local.sagemaker.jobs.run import JobRun
from local.settings import Settings
from local.store import Record, Store

logger = logging.getLogger(__name__)

TABLE = "training_jobs"
CLOUD_STOPPED = "InternalServerError: The local cloud was stopped while the job was running."
OUR_ERROR = "InternalServerError: The local cloud failed, its log says how: {!r}"


class TrainingJobs:
    """Runs what it is given, each job in a thread and a process group of its own."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._cache = ObjectCache(settings.sagemaker_dir / "object-cache")
        self._environments = Environments(
            settings.job_python, settings.sagemaker_dir / "job-environments"
        )
        self._running: dict[str, tuple[JobRun, threading.Thread]] = {}
        self._changed = threading.Condition()
        self._closed = False

    def restore(self) -> None:
        """Fail what the last cloud left running, and kill the processes that outlived it."""
        for record in self._store.rows(TABLE):
            if record["TrainingJobStatus"] not in ENDED:
                hosts = JobFiles.of_hosts(self._settings.sagemaker_dir, record)
                for files in hosts:
                    files.end_leftover()
                self._journal(record).finish("Failed", CLOUD_STOPPED)
                for files in hosts:
                    files.discard()

    def create(self, record: Record, threads: int | None = None) -> JobRun:
        """Start a job. `threads` bounds the CPU threads of one of several parallel ones.

        Raises AwsError for a name that is taken.
        """
        with self._store.changing():
            if record["TrainingJobArn"] in self._store[TABLE]:
                raise AwsError(
                    "ResourceInUse",
                    "Training job names must be unique within an AWS account and region, and a "
                    f"training job with this name already exists ({record['TrainingJobArn']})",
                )
            # Before it is stored: what cannot be built must not stay behind as InProgress.
            run = JobRun(
                self._settings,
                record,
                self._journal(record),
                self._cache,
                self._environments,
                threads,
            )
            self._store[TABLE][record["TrainingJobArn"]] = record
        name = f"job-{record['TrainingJobName']}"
        thread = threading.Thread(target=self._run, args=(run, record), daemon=True, name=name)
        with self._changed:
            if not self._closed:
                self._running[record["TrainingJobArn"]] = (run, thread)
                thread.start()
        return run

    def _run(self, run: JobRun, record: Record) -> None:
        try:
            run.run()
        except Exception as error:  # or nobody would end the job
            logger.exception("training job %s failed", record["TrainingJobName"])
            if not self._closed:
                self._journal(record).finish("Failed", OUR_ERROR.format(error))
        with self._changed:
            self._running.pop(record["TrainingJobArn"], None)
            self._changed.notify_all()

    def stop(self, record: Record) -> None:
        """StopTrainingJob. Does nothing to a job that has ended meanwhile."""
        running = self._running.get(record["TrainingJobArn"])
        if running is not None:
            self._journal(record).enter("Stopping")
            running[0].stop()

    @property
    def closed(self) -> bool:
        return self._closed

    def wait(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Return when `done` or after `timeout_s`; looks whenever a job's record changes."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or done(), timeout_s)

    def close(self) -> None:
        """End every process, and say in the records why."""
        with self._changed:
            self._closed = True
            running = list(self._running.values())
            self._changed.notify_all()
        for run, _ in running:
            run.close()
        for record in self._store.rows(TABLE):
            if record["TrainingJobStatus"] not in ENDED:
                self._journal(record).finish("Failed", CLOUD_STOPPED)
        for _, thread in running:
            thread.join(timeout=10)

    def _journal(self, record: Record) -> Journal:
        return Journal(self._store, record, self._changed)
