"""Everything that runs for one endpoint configuration: a folder with the unpacked model, and a
process, a variant.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import AwsError
from local.sagemaker import package
from local.sagemaker.container import ContainerFiles, ProcessFailedError
from local.sagemaker.log_shipper import LogShipper
from local.sagemaker.variant import DEFAULT_START_TIMEOUT_S, Variant
from local.settings import Settings
from local.store import Record


@dataclass(frozen=True)
class Plan:
    """What an endpoint should run: AWS-shaped records, the models by the name the variants use."""

    endpoint_name: str
    region: str
    config: Record
    models: dict[str, Record]


class Fleet:
    """The variants of one generation of an endpoint. A new configuration is a new fleet beside the
    old one.
    """

    def __init__(self, variants: list[Variant], shippers: list[LogShipper]) -> None:
        self.variants = variants
        self._shippers = shippers

    def pick(self, target: str | None) -> Variant:
        """The variant asked for by name, or one at random by weight. Raises AwsError."""
        if target is None:
            weights = [variant.weight for variant in self.variants]
            return random.choices(self.variants, weights if any(weights) else None)[0]
        for variant in self.variants:
            if variant.name == target:
                return variant
        raise AwsError(
            "ValidationError", f"The requested production variant {target} was not found."
        )

    @property
    def server_errors(self) -> int:
        """Requests that it answered with 5xx, or not at all."""
        return sum(variant.server_errors for variant in self.variants)

    def start(self) -> None:
        """Start every variant. Raises ProcessFailedError. Whatever it raises, nothing runs then."""
        for shipper in self._shippers:
            shipper.start()
        for variant in self.variants:
            try:
                variant.start()
            except ProcessFailedError as error:
                self.stop()
                raise ProcessFailedError(
                    f"The primary container for production variant {variant.name} did not pass the "
                    "ping health check: "
                    f"{error} (log: {variant.files.log_file})"
                ) from error
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        self.end_processes()
        for shipper in self._shippers:
            shipper.stop()

    def end_processes(self) -> None:
        """Without a last word to CloudWatch Logs, which at the end of the cloud is gone already."""
        for variant in self.variants:
            variant.stop()


def prepare(settings: Settings, plan: Plan, home: Path, gave_up: Callable[[str], None]) -> Fleet:
    """Fetch and unpack what the plan names, unless `home` has it already.

    `gave_up` is called with the last words of a process that cannot be kept alive.
    Raises ModelDataError, AwsError.
    """
    variants, shippers = [], []
    for description in plan.config["ProductionVariants"]:
        name = description["VariantName"]
        files = ContainerFiles(home / name)
        model = plan.models[description["ModelName"]]
        files.end_leftover()
        _install(settings, model, files)
        variants.append(_variant(settings, description, model, files, gave_up))
        group = f"/aws/sagemaker/Endpoints/{plan.endpoint_name}"
        stream = f"{name}/i-local"
        shippers.append(LogShipper(settings.url, plan.region, group, stream, files.log_file))
    return Fleet(variants, shippers)


def _variant(
    settings: Settings,
    description: dict[str, Any],
    model: Record,
    files: ContainerFiles,
    gave_up: Callable[[str], None],
) -> Variant:
    start_timeout_s = description.get(
        "ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_START_TIMEOUT_S
    )
    return Variant(
        name=description["VariantName"],
        weight=float(description.get("InitialVariantWeight", 1.0)),
        files=files,
        python=settings.serving_python,
        variables=dict(package.primary_container(model).get("Environment") or {}),
        start_timeout_s=float(start_timeout_s),
        gave_up=gave_up,
    )


def _install(settings: Settings, model: dict[str, Any], files: ContainerFiles) -> None:
    if files.model.exists():
        return
    files.model.parent.mkdir(parents=True, exist_ok=True)
    url = package.model_data_url(model)
    if url is None:
        files.model.mkdir()
        return
    archive = files.home / "model.tar.gz"
    try:
        package.fetch(settings.url, url, archive)
        package.unpack(archive, files.model)
    finally:
        archive.unlink(missing_ok=True)


def remove(home: Path) -> None:
    """Delete a generation's folder."""
    shutil.rmtree(home, ignore_errors=True)
