"""An endpoint's status always settles, whatever goes wrong on its way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.errors import AwsError
from local.sagemaker import endpoints as module
from local.sagemaker.endpoints import Endpoints
from local.sagemaker.operations import HostingOperations
from local.settings import Settings
from local.store import Record, Store

VARIANT = {"VariantName": "AllTraffic", "ModelName": "dogs", "InstanceType": "ml.m5.xlarge"}


class FakeFleet:
    """Starts and stops, or raises what it was given."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.fault = fault
        self.stopped = threading.Event()

    def start(self) -> None:
        if self.fault is not None:
            raise self.fault

    def stop(self) -> None:
        self.stopped.set()
        if self.fault is not None:
            raise self.fault


class Cloud:
    """The control plane over fleets that `prepared` makes."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = Settings.from_arguments(4999, str(tmp_path), "python", {})
        path = settings.sagemaker_dir / "state.json"
        self.store = Store(path, "models", "endpoint_configs", "endpoints")
        self.endpoints = Endpoints(settings, self.store)
        self.api = HostingOperations(settings, self.store, self.endpoints)
        self.prepared: Any = lambda: FakeFleet()
        monkeypatch.setattr(module.fleets, "prepare", lambda *_: self.prepared())
        self.api.create_model({"ModelName": "dogs", "PrimaryContainer": {}})
        for name in ("dogs", "new"):
            config = {"EndpointConfigName": name, "ProductionVariants": [VARIANT]}
            self.api.create_endpoint_config(config)

    def create(self, name: str = "dogs") -> Record | None:
        self.api.create_endpoint({"EndpointName": name, "EndpointConfigName": "dogs"})
        return self.settled(name)

    def settled(self, name: str = "dogs") -> Record | None:
        (arn,) = [arn for arn in self.store["endpoints"] if arn.endswith(f"/{name}")] or [""]
        return self.endpoints.wait_settled(arn, timeout_s=30)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    return Cloud(tmp_path, monkeypatch)


def _raise(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize("fault", [RuntimeError("unforeseen"), OSError(28, "No space left")])
@pytest.mark.parametrize("where", ["prepare", "start"])
def test_endpoint_that_cannot_start_is_failed_with_the_reason_and_can_be_deleted(
    cloud: Cloud, fault: BaseException, where: str
) -> None:
    fleet = FakeFleet(fault)
    cloud.prepared = (lambda: _raise(fault)) if where == "prepare" else (lambda: fleet)

    record = cloud.create()

    assert record is not None
    assert record["EndpointStatus"] == "Failed"
    assert str(fault) in record["FailureReason"]
    cloud.api.delete_endpoint({"EndpointName": "dogs"})
    assert cloud.settled() is None


def test_update_that_cannot_start_leaves_the_old_one_in_service(cloud: Cloud) -> None:
    cloud.create()
    cloud.prepared = lambda: _raise(RuntimeError("unforeseen"))

    cloud.api.update_endpoint({"EndpointName": "dogs", "EndpointConfigName": "new"})
    record = cloud.settled()

    assert record is not None
    assert (record["EndpointStatus"], record["EndpointConfigName"]) == ("InService", "dogs")
    assert "rolled back" in record["FailureReason"]
    assert "unforeseen" in record["FailureReason"]


def test_endpoint_that_cannot_be_deleted_says_why_and_can_be_deleted_again(cloud: Cloud) -> None:
    fleet = FakeFleet()
    cloud.prepared = lambda: fleet
    cloud.create()
    fleet.fault = RuntimeError("it does not stop")

    cloud.api.delete_endpoint({"EndpointName": "dogs"})
    record = cloud.settled()

    assert record is not None
    assert record["EndpointStatus"] == "Failed"
    assert "it does not stop" in record["FailureReason"]
    cloud.api.delete_endpoint({"EndpointName": "dogs"})
    assert cloud.settled() is None


def test_endpoint_in_creation_cannot_be_deleted_until_it_has_settled(cloud: Cloud) -> None:
    go_on = threading.Event()

    def slow() -> FakeFleet:
        assert go_on.wait(30)
        return FakeFleet()

    cloud.prepared = slow
    cloud.api.create_endpoint({"EndpointName": "dogs", "EndpointConfigName": "dogs"})

    with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):  # as on AWS
        cloud.api.delete_endpoint({"EndpointName": "dogs"})

    go_on.set()
    cloud.settled()
    cloud.api.delete_endpoint({"EndpointName": "dogs"})
    assert cloud.settled() is None


def test_of_many_that_create_or_update_at_once_one_succeeds(cloud: Cloud) -> None:
    def outcome(operation: Any) -> str:
        try:
            operation({"EndpointName": "dogs", "EndpointConfigName": "dogs"})
        except AwsError as error:
            return error.message
        return "taken"

    with ThreadPoolExecutor(16) as pool:
        created = list(pool.map(outcome, [cloud.api.create_endpoint] * 16))
        cloud.settled()
        hold = threading.Event()
        cloud.prepared = lambda: (hold.wait(30), FakeFleet())[1]
        updated = list(pool.map(outcome, [cloud.api.update_endpoint] * 16))
        hold.set()

    assert created.count("taken") == 1
    assert updated.count("taken") == 1
    cloud.settled()


def test_variants_of_one_name_are_refused(cloud: Cloud) -> None:
    config = {"EndpointConfigName": "twins", "ProductionVariants": [VARIANT, VARIANT]}

    with pytest.raises(AwsError, match="a VariantName of its own, not AllTraffic, AllTraffic"):
        cloud.api.create_endpoint_config(config)


@pytest.mark.parametrize("token", ["-1", "x", "9" * 5000, " 1"])
def test_page_that_nobody_gave_out_is_refused(cloud: Cloud, token: str) -> None:
    with pytest.raises(AwsError, match="Invalid NextToken"):
        cloud.api.list_models({"NextToken": token})
