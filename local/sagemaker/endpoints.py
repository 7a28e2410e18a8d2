"""The life of an endpoint: Creating -> InService or Failed, Updating beside the old one, Deleting,
restored at start.

Control-plane calls return at once, as on AWS; the work is done in a thread an endpoint.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.arns import region_of, sagemaker_arn
from local.clients import aws_client
from local.errors import AwsError
from local.sagemaker import fleet as fleets
from local.sagemaker.canary import Canary, first_step
from local.sagemaker.container import ProcessFailedError
from local.sagemaker.fleet import Fleet, Plan
from local.sagemaker.package import ModelDataError
from local.settings import Settings
from local.store import Record, Store

logger = logging.getLogger(__name__)

IN_PROGRESS = {"Creating", "Updating", "Deleting"}
_REASON_CHARS = 1024
_VARIANT = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_OUR_ERROR = "The local cloud failed, its log says how: {!r}"
# What an endpoint can fail of by itself; its words are the reason. Anything else is our own fault.
_START_ERRORS = (ModelDataError, ProcessFailedError, AwsError, OSError)


def variants_of(store: Store, record: Record) -> list[dict[str, Any]]:
    """The production variants of an endpoint's configuration; none where that is gone."""
    config = store["endpoint_configs"].get(
        sagemaker_arn(
            "endpoint-config", record["EndpointConfigName"], region_of(record["EndpointArn"])
        )
    )
    return config["ProductionVariants"] if config is not None else []


def instances_of(record: Record, variant: dict[str, Any]) -> int | None:
    """Those that auto scaling gave, else those that the configuration asks for; None: serverless.

    One process stands for all of them.
    """
    count: int | None = record.get("_instances", {}).get(
        variant["VariantName"], variant.get("InitialInstanceCount")
    )
    return count


class Endpoints:
    """Runs what the store says should run."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._fleets: dict[str, Fleet] = {}
        self._canaries: dict[str, Canary] = {}
        # Those of _fleets, and those that start or drain.
        self._running: set[Fleet] = set()
        self._changed = threading.Condition()
        self._closed = False

    def restore(self) -> None:
        """Start again, from their kept packages, the endpoints of the last run; finish half-done
        deletions.
        """
        for record in self._store.rows("endpoints"):
            if record["EndpointStatus"] == "Failed":
                continue
            if record["EndpointStatus"] == "Deleting":
                self._in_thread(self._tear_down, record)
                continue
            # An update that the stop cut off is undone: the old configuration is the one known to
            # work.
            self._set(record, EndpointStatus="Updating" if record["_generation"] else "Creating")
            self._in_thread(self._bring_up, record, record["EndpointConfigName"])

    def create(self, record: Record) -> None:
        """Bring up what was just stored as Creating."""
        self._in_thread(self._bring_up, record, record["EndpointConfigName"])

    def update(
        self, record: Record, config_name: str, deployment: Record | None, keep: bool
    ) -> None:
        """`keep`: the instances that auto scaling gave stay, instead of the configuration's."""
        self._set(
            record,
            EndpointStatus="Updating",
            FailureReason=None,
            LastDeploymentConfig=deployment,
        )
        self._in_thread(self._bring_up, record, config_name, keep)

    def delete(self, record: Record) -> None:
        self._set(record, EndpointStatus="Deleting")
        self._in_thread(self._tear_down, record)

    def fleet(self, endpoint_arn: str) -> Fleet | None:
        """The fleet for one request: during an update perhaps the canary."""
        if canary := self._canaries.get(endpoint_arn):
            return canary.pick()
        return self._fleets.get(endpoint_arn)

    def load(self, resource: str, region: str) -> tuple[int, int] | None:
        """Of "endpoint/NAME/variant/NAME": requests since it came into service, and instances;
        None if it is not in service, or serverless.
        """
        record, name = self._scaled(resource, region)
        if record is None or record["EndpointStatus"] != "InService":
            return None
        fleet = self._fleets.get(record["EndpointArn"])
        for variant in variants_of(self._store, record):
            if fleet is not None and variant["VariantName"] == name and "InstanceType" in variant:
                instances = instances_of(record, variant)
                return fleet.pick(name).requests, 1 if instances is None else instances
        return None

    def scale(self, resource: str, region: str, instances: int) -> None:
        """Give that variant so many instances: by the record, for one process stands for all."""
        record, name = self._scaled(resource, region)
        if record is not None:
            self._set(record, _instances=record.get("_instances", {}) | {name: instances})

    def _scaled(self, resource: str, region: str) -> tuple[Record | None, str]:
        found = _VARIANT.fullmatch(resource)
        if found is None:
            return None, ""
        endpoint, variant = found.groups()
        return self._store["endpoints"].get(sagemaker_arn("endpoint", endpoint, region)), variant

    def wait_settled(self, endpoint_arn: str, timeout_s: float) -> Record | None:
        """The record once nothing is in progress, or None once it is gone. Raises TimeoutError."""

        def settled() -> bool:
            record = self._store["endpoints"].get(endpoint_arn)
            return self._closed or record is None or record["EndpointStatus"] not in IN_PROGRESS

        with self._changed:
            if not self._changed.wait_for(settled, timeout_s) or self._closed:
                raise TimeoutError(f"{endpoint_arn} is still in progress after {timeout_s:.0f} s")
        return self._store["endpoints"].get(endpoint_arn)

    def close(self) -> None:
        """End every process. The store keeps what should run next time."""
        with self._changed:
            self._closed = True
            running = list(self._running)
            self._changed.notify_all()
        stoppers = [threading.Thread(target=fleet.end_processes) for fleet in running]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()

    def _bring_up(self, record: Record, config_name: str, keep: bool = True) -> None:
        """Start a fleet for the configuration; switch to it once it is ready, and only then stop
        the old one. `keep`: as of `update`.
        """
        old = self._fleets.get(record["EndpointArn"])
        served = record["_generation"]
        restoring = old is None and served > 0
        generation = served if restoring else served + 1
        home = self._home(record, generation)
        if not restoring:
            fleets.remove(home)  # what a failed attempt left
        try:
            new = self._started(record, config_name, home)
        except _START_ERRORS as error:
            self._failed(record, str(error), old)
            return
        except Exception as error:  # nobody else would set the endpoint's status
            logger.exception("endpoint %s failed", record["EndpointName"])
            self._failed(record, _OUR_ERROR.format(error), old)
            return
        if old is not None and (reason := self._unfit(record, config_name, old, new)):
            self._failed(record, reason, old)
            self._stop(new)
            fleets.remove(home)
            return
        self._fleets[record["EndpointArn"]] = new
        self._set(
            record,
            EndpointStatus="InService",
            EndpointConfigName=config_name,
            FailureReason=None,
            _generation=generation,
            _instances=record.get("_instances", {}) if keep else {},
        )
        logger.info("endpoint %s is in service with %s", record["EndpointName"], config_name)
        if old is not None:
            self._stop(old)
            fleets.remove(self._home(record, served))

    def _unfit(self, record: Record, config_name: str, old: Fleet, new: Fleet) -> str:
        """After the canary, if the update asks for one: why the new fleet is not taken, or ""."""
        variants = self._plan(record, config_name).config["ProductionVariants"]
        step = first_step(record.get("LastDeploymentConfig"), variants)
        if step is None:
            return ""
        canary, arn = Canary(old, new, step), record["EndpointArn"]
        self._canaries[arn] = canary
        try:
            cloudwatch = aws_client("cloudwatch", self._settings.url, region_of(arn))
            return canary.watch(cloudwatch, lambda: self._closed)
        finally:
            del self._canaries[arn]

    def _started(self, record: Record, config_name: str, home: Path) -> Fleet:
        """A fleet that is ready. `close` ends it even before it is."""
        plan = self._plan(record, config_name)
        new = fleets.prepare(self._settings, plan, home, lambda words: self._give_up(record, words))
        with self._changed:
            if self._closed:
                raise ProcessFailedError("the cloud was stopped")
            self._running.add(new)
        try:
            new.start()
        except BaseException:
            self._running.discard(new)
            raise
        return new

    def _failed(self, record: Record, reason: str, old: Fleet | None) -> None:
        if self._closed:
            return  # the stop ended it; the store still says that it should run
        logger.warning("endpoint %s failed: %s", record["EndpointName"], reason)
        if old is None:
            self._set(record, EndpointStatus="Failed", FailureReason=reason[:_REASON_CHARS])
        else:
            reason = f"The update was rolled back: {reason}"
            self._set(record, EndpointStatus="InService", FailureReason=reason[:_REASON_CHARS])

    def _give_up(self, record: Record, words: str) -> None:
        reason = f"The container died and did not start again: {words}"
        self._set(record, EndpointStatus="Failed", FailureReason=reason[:_REASON_CHARS])

    def _tear_down(self, record: Record) -> None:
        endpoint_arn = record["EndpointArn"]
        running = self._fleets.pop(endpoint_arn, None)
        try:
            if running is not None:
                self._stop(running)
            fleets.remove(self._endpoint_dir(record))
            with self._store.recording():
                self._store["endpoints"].pop(endpoint_arn, None)
        except Exception as error:  # or it would be Deleting for ever
            logger.exception("endpoint %s is not deleted", record["EndpointName"])
            self._failed(record, _OUR_ERROR.format(error), None)
        self._notify()

    def _plan(self, record: Record, config_name: str) -> Plan:
        region = region_of(record["EndpointArn"])
        config = self._store["endpoint_configs"].get(
            sagemaker_arn("endpoint-config", config_name, region)
        )
        if config is None:
            raise AwsError("ValidationException", f"Endpoint configuration {config_name} is gone.")
        models = {}
        for name in [variant["ModelName"] for variant in config["ProductionVariants"]]:
            model = self._store["models"].get(sagemaker_arn("model", name, region))
            if model is None:
                raise AwsError("ValidationException", f"Model {name} is gone.")
            models[name] = model
        return Plan(record["EndpointName"], region, config, models)

    def _endpoint_dir(self, record: Record) -> Path:
        region = region_of(record["EndpointArn"])
        name: str = record["EndpointName"]
        return self._settings.sagemaker_dir / "endpoints" / region / name

    def _home(self, record: Record, generation: int) -> Path:
        return self._endpoint_dir(record) / str(generation)

    def _stop(self, fleet: Fleet) -> None:
        fleet.stop()
        self._running.discard(fleet)

    def _set(self, record: Record, **changes: Any) -> None:
        with self._store.recording():
            record |= changes | {"LastModifiedTime": time.time()}
        self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    @staticmethod
    def _in_thread(work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=work, args=args, daemon=True, name=work.__name__).start()
