"""One training job from Downloading to its end, in a thread of its own.

A job of several instances is as many containers on this machine, each with a folder of its own.
They start together and end together: the first that fails fails the job, and the others are killed.
A host that only lost another one is not the first: the other has a moment to end with its cause.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.arns import region_of
from local.clients import aws_client
from local.sagemaker.container import ContainerProcess, ProcessFailedError
from local.sagemaker.jobs import inputs, outputs, start, torchrun
from local.sagemaker.jobs.environments import Environments
from local.sagemaker.jobs.failure import JobFailedError, failure_reason, lost_another
from local.sagemaker.jobs.files import HOST, JobFiles
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
# From the end of a host that lost another one to that of the host with the cause. training/train.py
# waits for it; a script that does not ends milliseconds too early.
_CAUSE_GRACE_S = 5.0
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
        self._region = region_of(record["TrainingJobArn"])
        self._s3 = aws_client("s3", settings.url, self._region)
        self._hosts = JobFiles.of_hosts(settings.sagemaker_dir, record)
        self._threads = threads or (_share_of_cpus(len(self._hosts)) if self._many else None)
        self._checkpoints = [CheckpointSync(self._s3, record, files) for files in self._hosts]
        self.metrics = MetricReader(
            [files.log_file for files in self._hosts],
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

    @property
    def _many(self) -> bool:
        return len(self._hosts) > 1

    def run(self) -> None:
        for files in self._hosts:
            files.prepare()
        shippers = self._shippers()
        for shipper in shippers:
            shipper.start()
        try:
            ending, reason = self._work()
        except JobFailedError as error:
            ending, reason = "Failed", str(error)
        finally:
            if not self._closed:  # at the end of the cloud CloudWatch Logs is gone already
                for shipper in shippers:
                    shipper.stop()
        if self._closed:
            return
        self.metrics.read_on()
        self._journal.finish(
            ending,
            reason,
            FinalMetricDataList=self.metrics.final_data() or None,
            _rules=read_statuses(self._hosts[0].rules),
        )
        logger.info("training job %s: %s", self._record["TrainingJobName"], ending)
        for files in self._hosts:
            files.discard()
        self._cache.prune()

    def _work(self) -> tuple[str, str | None]:
        """The last secondary status, and the reason if it is Failed. Raises JobFailedError."""
        python = self._prepare()
        ending, reason = self._train(python)
        if not self._closed:
            self._journal.enter("Uploading")
            outputs.upload(self._s3, self._record, self._hosts, with_model=ending != "Failed")
        return ending, reason

    def _shippers(self) -> list[LogShipper]:
        name, made = self._record["TrainingJobName"], int(self._record["CreationTime"])
        return [
            LogShipper(
                self._settings.url,
                self._region,
                LOG_GROUP,
                f"{name}/{HOST.format(rank)}-{made}",
                files.log_file,
            )
            for rank, files in enumerate(self._hosts, start=1)
        ]

    def _prepare(self) -> Path:
        """Everything the script needs; the interpreter to run it with. Raises JobFailedError."""
        self._journal.enter("Downloading", TrainingStartTime=time.time())
        outputs.check_bucket(self._s3, self._record)
        source = inputs.Source(self._s3, self._cache, self._settings.buckets_dir, self._region)
        for channel in self._record.get("InputDataConfig", []):
            if self._stopping.is_set():
                break
            folders = [files.data / channel["ChannelName"] for files in self._hosts]
            inputs.fill_channel(source, self._record, channel, folders)
        for rank, files in enumerate(self._hosts):
            start.install_code(self._settings.url, self._record["HyperParameters"], files)
            start.write_config(self._record, files, rank)
        first = self._hosts[0]
        return self._environments.python_for(first.requirements, first.code, first.log_file)

    def _train(self, python: Path) -> tuple[str, str | None]:
        """The last secondary status, and the reason if it is Failed. Raises JobFailedError."""
        while True:
            if self._stopping.is_set():  # while it downloaded
                return "Stopped", None
            for checkpoints in self._checkpoints:
                checkpoints.start()
            self._journal.enter("Training")
            started = time.monotonic()
            ending, reason = self._run_once(python, started)
            self._ran_s += time.monotonic() - started
            if self._closed:
                return ending, reason
            for checkpoints in self._checkpoints:
                checkpoints.stop()
            if ending != "Interrupted":
                return ending, reason
            self._journal.enter("Interrupted")
            for files in self._hosts:
                files.renew()  # a new instance has nothing of the old one
            self._journal.enter("Restarting")

    def _run_once(self, python: Path, started: float) -> tuple[str, str | None]:
        """A process a host, from their start to their end or to the first reason to end them."""
        interrupt_after_s = next(self._interruptions, None)
        processes: list[ContainerProcess] = []
        try:
            port = torchrun.free_port()
            for files in self._hosts:
                torchrun.install(files.programs, python, port)
                processes.append(self._start(files, python))
            while not (ended := _outcome(processes, _POLL_S)):
                self.metrics.read_on()
                ending = self._end_now(time.monotonic() - started, interrupt_after_s)
                if ending is not None:
                    if ending in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
                        self._journal.enter("Stopping")
                    _end(processes, _CLOSE_GRACE_S if self._closed else STOP_GRACE_S)
                    return ending, None
            last, code = self._with_cause(processes, ended)
        finally:
            for process in processes:
                process.clear()
        if not code:
            return "Completed", None
        reason = failure_reason(self._hosts[last], code)
        return "Failed", f"{HOST.format(last + 1)}: {reason}" if self._many else reason

    def _with_cause(
        self, processes: Sequence[ContainerProcess], ended: tuple[int, int]
    ) -> tuple[int, int]:
        """`ended`, or a host that fails by itself where that one only lost another."""
        rank, code = ended
        if not code or not lost_another(self._hosts[rank]):
            return ended
        deadline = time.monotonic() + _CAUSE_GRACE_S
        while True:
            codes = [process.wait(0) for process in processes]
            for other, its_code in enumerate(codes):
                if its_code and not lost_another(self._hosts[other]):
                    return other, its_code
            if None not in codes or time.monotonic() > deadline or self._stopping.wait(_POLL_S):
                return ended

    def _start(self, files: JobFiles, python: Path) -> ContainerProcess:
        train = self._settings.job_python.parent / "train"
        try:
            return ContainerProcess(
                [str(python), str(train), str(files.home)],
                files,
                start.environment(self._settings, self._record, files, python, self._threads),
            )
        except ProcessFailedError as error:
            raise JobFailedError(f"InternalServerError: {error}") from error

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


def _share_of_cpus(hosts: int) -> int:
    return max(1, (os.cpu_count() or 1) // hosts)


def _outcome(processes: Sequence[ContainerProcess], timeout_s: float) -> tuple[int, int] | None:
    """The rank that decides how the job ended, and its exit code; None while it goes on.

    That is the first seen to fail, or, when all have ended well, the last. A host whose peer failed
    fails too, but only once its connection is gone.
    """
    codes = [processes[0].wait(timeout_s), *(process.wait(0) for process in processes[1:])]
    for rank, code in enumerate(codes):
        if code:
            return rank, code
    return (len(codes) - 1, 0) if None not in codes else None


def _end(processes: Sequence[ContainerProcess], grace_s: float) -> None:
    """SIGTERM to all at once: hosts that train together stop together."""
    with ThreadPoolExecutor(len(processes), "end") as pool:
        for _ in pool.map(lambda process: process.end(grace_s), processes):
            pass
