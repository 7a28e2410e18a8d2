"""One training job from Downloading to its end, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from local.arns import region_of
from local.clients import aws_client
from local.sagemaker.container import ContainerProcess, ProcessFailedError
from local.sagemaker.jobs import inputs, outputs, start
from local.sagemaker.jobs.environments import Environments
from local.sagemaker.jobs.failure import JobFailedError, failure_reason
from local.sagemaker.jobs.files import JobFiles
from local.sagemaker.jobs.inputs import ObjectCache
from local.sagemaker.jobs.observed import MetricReader, definitions, read_statuses
from local.sagemaker.jobs.outputs import CheckpointSync
from local.sagemaker.jobs.record import Journal, interruptions
from local.sagemaker.log_shipper import LogShipper
from local.settings import Settings
from local.store import Record

logger = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
# "SageMaker sends the algorithm the SIGTERM signal, which delays job termination for 120 seconds."
# (API reference, StoppingCondition)
STOP_GRACE_S = 120.0
_POLL_S = 0.1
_CLOSE_GRACE_S = 3.0


class JobRun:
    """`run` blocks until the job has ended; `stop` and `close` may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        record: Record,
        journal: Journal,
        cache: ObjectCache,
        environments: Environments,
        threads: int | None,
    ) -> None:
        self._settings = settings
        self._record = record
        self._journal = journal
        self._cache = cache
        self._environments = environments
        self._threads = threads
        self._region = region_of(record["TrainingJobArn"])
        self._s3 = aws_client("s3", settings.url, self._region)
        self.files = JobFiles.of(settings.sagemaker_dir, record)
        self._checkpoints = CheckpointSync(self._s3, record, self.files)
        self.metrics = MetricReader(
            self.files.log_file,
            definitions(record["AlgorithmSpecification"].get("MetricDefinitions", [])),
        )
        self._stopping = threading.Event()
        self._closed = False
        self._interruptions: Iterator[float] = interruptions(record)
        self._ran_s = 0.0  # in the runs before the last interruption

    def stop(self) -> None:
        """End the job as StopTrainingJob does."""
        self._stopping.set()

    def close(self) -> None:
        """The cloud stops: end the process soon, touch neither S3 nor the record any more."""
        self._closed = True
        self._stopping.set()

    def run(self) -> None:
        self.files.prepare()
        shipper = self._shipper()
        shipper.start()
        try:
            ending, reason = self._work()
        except JobFailedError as error:
            ending, reason = "Failed", str(error)
        finally:
            if not self._closed:  # at the end of the cloud CloudWatch Logs is gone already
                shipper.stop()
        if self._closed:
            return
        self.metrics.read_on()
        self._journal.finish(
            ending,
            reason,
            FinalMetricDataList=self.metrics.final_data() or None,
            _rules=read_statuses(self.files.rules),
        )
        logger.info("training job %s: %s", self._record["TrainingJobName"], ending)
        self.files.discard()
        self._cache.prune()

    def _work(self) -> tuple[str, str | None]:
        """The last secondary status, and the reason if it is Failed. Raises JobFailedError."""
        python = self._prepare()
        ending, reason = self._train(python)
        if not self._closed:
            self._journal.enter("Uploading")
            outputs.upload(self._s3, self._record, self.files, with_model=ending != "Failed")
        return ending, reason

    def _shipper(self) -> LogShipper:
        name = self._record["TrainingJobName"]
        stream = f"{name}/algo-1-{int(self._record['CreationTime'])}"
        return LogShipper(self._settings.url, self._region, LOG_GROUP, stream, self.files.log_file)

    def _prepare(self) -> Path:
        """Everything the script needs; the interpreter to run it with. Raises JobFailedError."""
        self._journal.enter("Downloading", TrainingStartTime=time.time())
        outputs.check_bucket(self._s3, self._record)
        for channel in self._record.get("InputDataConfig", []):
            if self._stopping.is_set():
                break
            url = channel["DataSource"]["S3DataSource"]["S3Uri"]
            folder = self.files.data / channel["ChannelName"]
            inputs.download_channel(self._s3, self._cache, url, folder, self._region)
        start.install_code(self._settings.url, self._record["HyperParameters"], self.files)
        start.write_config(self._record, self.files)
        return self._environments.python_for(
            self.files.requirements, self.files.code, self.files.log_file
        )

    def _train(self, python: Path) -> tuple[str, str | None]:
        """The last secondary status, and the reason if it is Failed. Raises JobFailedError."""
        while True:
            if self._stopping.is_set():  # while it downloaded
                return "Stopped", None
            self._checkpoints.start()
            self._journal.enter("Training")
            started = time.monotonic()
            ending, reason = self._run_once(python, started)
            self._ran_s += time.monotonic() - started
            if self._closed:
                return ending, reason
            self._checkpoints.stop()
            if ending != "Interrupted":
                return ending, reason
            self._journal.enter("Interrupted")
            self.files.renew()  # a new instance has nothing of the old one
            self._journal.enter("Restarting")

    def _run_once(self, python: Path, started: float) -> tuple[str, str | None]:
        """One process, from its start to its end or to the first reason to end it."""
        train = self._settings.job_python.parent / "train"
        try:
            process = ContainerProcess(
                [str(python), str(train), str(self.files.home)],
                self.files,
                start.environment(self._settings, self._record, self.files, python, self._threads),
            )
        except ProcessFailedError as error:
            raise JobFailedError(f"InternalServerError: {error}") from error
        interrupt_after_s = next(self._interruptions, None)
        try:
            while (code := process.wait(_POLL_S)) is None:
                self.metrics.read_on()
                ending = self._end_now(time.monotonic() - started, interrupt_after_s)
                if ending is not None:
                    if ending in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
                        self._journal.enter("Stopping")
                    process.end(_CLOSE_GRACE_S if self._closed else STOP_GRACE_S)
                    return ending, None
        finally:
            process.clear()
        return ("Failed", failure_reason(self.files, code)) if code else ("Completed", None)

    def _end_now(self, running_s: float, interrupt_after_s: float | None) -> str | None:
        """The secondary status that the job must end in by now, if any."""
        limits = self._record["StoppingCondition"]
        if self._stopping.is_set():
            return "Stopped"
        if self._ran_s + running_s > limits["MaxRuntimeInSeconds"]:
            return "MaxRuntimeExceeded"
        waited_s = time.time() - self._record["CreationTime"]
        if waited_s > limits.get("MaxWaitTimeInSeconds", waited_s):
            return "MaxWaitTimeExceeded"
        if interrupt_after_s is not None and running_s > interrupt_after_s:
            return "Interrupted"
        return None
