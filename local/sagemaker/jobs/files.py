"""Where a training job lives on the disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local.arns import region_of
from local.errors import AwsError
from local.sagemaker.container import ContainerFiles
from local.store import Record

_CONTAINER_BASE = PurePosixPath("/opt/ml")
# SageMaker's names of a job's hosts: algo-1, algo-2, ...
HOST = "algo-{}"


@dataclass(frozen=True)
class JobFiles(ContainerFiles):
    """The folders of one job. Names of its properties follow SageMaker's documentation."""

    @classmethod
    def of(cls, sagemaker_dir: Path, record: Record) -> JobFiles:
        region = region_of(record["TrainingJobArn"])
        return cls(sagemaker_dir / "training" / region / record["TrainingJobName"])

    @classmethod
    def of_hosts(cls, sagemaker_dir: Path, record: Record) -> list[JobFiles]:
        """One a host, by rank. The folders of the second and later ones lie in the first's."""
        first = cls.of(sagemaker_dir, record)
        count = record.get("ResourceConfig", {}).get("InstanceCount", 1)
        return [first, *(cls(first.home / HOST.format(rank)) for rank in range(2, count + 1))]

    @property
    def code(self) -> Path:
        return self.ml / "code"

    @property
    def config(self) -> Path:
        return self.ml / "input" / "config"

    @property
    def data(self) -> Path:
        return self.ml / "input" / "data"

    @property
    def output(self) -> Path:
        return self.ml / "output"

    @property
    def output_data(self) -> Path:
        return self.output / "data"

    @property
    def tensors(self) -> Path:
        return self.output / "tensors"

    @property
    def profiler(self) -> Path:
        return self.output / "profiler"

    @property
    def rules(self) -> Path:
        return self.output / "rules"

    @property
    def failure_file(self) -> Path:
        return self.output / "failure"

    @property
    def requirements(self) -> Path:
        """Moved out of the code folder, so that the toolkit does not run pip."""
        return self.home / "requirements.txt"

    @property
    def programs(self) -> Path:
        """First in the job's PATH."""
        return self.home / "bin"

    def prepare(self) -> None:
        """An empty job folder with what a container finds in /opt/ml."""
        shutil.rmtree(self.home, ignore_errors=True)
        for folder in (self.config, self.data):
            folder.mkdir(parents=True)
        self.log_file.touch()
        self.renew()

    def renew(self) -> None:
        """The folders that the script writes, empty: what a restart on a new instance finds."""
        given = {self.code, self.data.parent}
        for left in set(self.ml.iterdir()) - given:
            shutil.rmtree(left, ignore_errors=True)
        for folder in (self.model, self.output, self.ml / "checkpoints"):
            folder.mkdir(parents=True)
        self.output_data.mkdir()

    def discard(self) -> None:
        """Drop everything but the log, as AWS drops the instance."""
        for folder in (self.ml, self.programs):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.pid_file, self.requirements):
            file.unlink(missing_ok=True)

    def local(self, container_path: str) -> Path:
        """The place of a path that the request names for the container. Raises AwsError."""
        path = PurePosixPath(container_path)
        if ".." in path.parts or not path.is_relative_to(_CONTAINER_BASE):
            raise AwsError(
                "ValidationException",
                f"LocalPath {container_path} is not below {_CONTAINER_BASE}, "
                "which is the only folder that the local cloud can give a job.",
            )
        return self.ml / path.relative_to(_CONTAINER_BASE)
