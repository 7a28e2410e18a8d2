"""The local SageMaker as the cloud mounts it: all that is imported from outside this package."""

from __future__ import annotations

from local.sagemaker import tags
from local.sagemaker.endpoints import Endpoints
from local.sagemaker.jobs import jobs
from local.sagemaker.jobs.jobs import TrainingJobs
from local.sagemaker.jobs.operations import TrainingOperations
from local.sagemaker.operations import HostingOperations
from local.sagemaker.registry import GROUPS, PACKAGES, RegistryOperations
from local.sagemaker.runtime import Runtime
from local.sagemaker.tuning import run as tuning
from local.sagemaker.tuning.jobs import TuningJobs
from local.sagemaker.tuning.operations import TuningOperations
from local.settings import Settings
from local.store import Record, Store
from local.wire import JsonApi, operations


class SageMaker:
    """`api` answers SageMaker's operations, `runtime` InvokeEndpoint; `endpoints` can be scaled."""

    def __init__(self, settings: Settings) -> None:
        folder = settings.sagemaker_dir
        hosting_store = Store(folder / "state.json", "models", "endpoint_configs", "endpoints")
        job_store = Store(folder / "jobs.json", jobs.TABLE, tuning.TABLE, tags.TABLE)
        registry_store = Store(folder / "registry.json", GROUPS, PACKAGES)
        self.endpoints = Endpoints(settings, hosting_store)
        self._training = TrainingJobs(settings, job_store)
        self._tuning = TuningJobs(job_store, self._training)
        self.runtime = Runtime(hosting_store, self.endpoints)
        self.api = JsonApi(
            "sagemaker",
            tags.kept(
                job_store,
                operations(
                    "sagemaker",
                    HostingOperations(settings, hosting_store, self.endpoints),
                    TrainingOperations(settings, job_store, self._training),
                    TuningOperations(settings, job_store, self._tuning),
                    RegistryOperations(settings, registry_store),
                    tags.TagOperations(job_store),
                ),
            ),
        )

    def restore(self) -> None:
        """Go on with what ran when the last cloud stopped, or say of it that it failed."""
        self.endpoints.restore()
        self._training.restore()
        self._tuning.restore()

    def wait_settled(self, endpoint_arn: str, timeout_s: float) -> Record | None:
        """The endpoint's record once nothing is in progress, or None once it is gone.

        Raises TimeoutError.
        """
        return self.endpoints.wait_settled(endpoint_arn, timeout_s)

    def close(self) -> None:
        """End every process that was started here."""
        self._tuning.close()
        self._training.close()
        self.endpoints.close()
