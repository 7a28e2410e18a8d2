"""Everything that runs for one endpoint configuration: a folder with the unpacked model, and a
process, a variant.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.children import command_line, recorded_pid
from local.errors import AwsError
from local.sagemaker import package
from local.sagemaker.log_shipper import LogShipper
from local.sagemaker.process import DEFAULT_START_TIMEOUT_S, Layout, ProcessFailedError
from local.sagemaker.variant import Variant
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
                    f"{error} (log: {variant.layout.log_file})"
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
    Raises PackageError, AwsError.
    """
    variants, shippers = [], []
    for description in plan.config["ProductionVariants"]:
        layout = Layout(home / description["VariantName"], description["VariantName"])
        model = plan.models[description["ModelName"]]
        _end_leftover(layout)
        _install(settings, model, layout)
        variants.append(_variant(settings, description, model, layout, gave_up))
        group = f"/aws/sagemaker/Endpoints/{plan.endpoint_name}"
        stream = f"{layout.variant}/i-local"
        shippers.append(LogShipper(settings.url, plan.region, group, stream, layout.log_file))
    return Fleet(variants, shippers)


def _variant(
    settings: Settings,
    description: dict[str, Any],
    model: Record,
    layout: Layout,
    gave_up: Callable[[str], None],
) -> Variant:
    start_timeout_s = description.get(
        "ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_START_TIMEOUT_S
    )
    return Variant(
        name=layout.variant,
        weight=float(description.get("InitialVariantWeight", 1.0)),
        layout=layout,
        python=settings.serving_python,
        variables=dict(package.primary_container(model).get("Environment") or {}),
        start_timeout_s=float(start_timeout_s),
        gave_up=gave_up,
    )


def _install(settings: Settings, model: dict[str, Any], layout: Layout) -> None:
    if layout.model_dir.exists():
        return
    layout.model_dir.parent.mkdir(parents=True, exist_ok=True)
    url = package.model_data_url(model)
    if url is None:
        layout.model_dir.mkdir()
        return
    archive = layout.home / "model.tar.gz"
    try:
        package.fetch(settings.url, url, archive)
        package.unpack(archive, layout.model_dir)
    finally:
        archive.unlink(missing_ok=True)


def _end_leftover(layout: Layout) -> None:
    """End the process of an earlier cloud that was killed before it could stop its children.

    Its number may be another program's by now, so it must still name this folder on its command
    line.
    """
    recorded = recorded_pid(layout.pid_file)
    layout.pid_file.unlink(missing_ok=True)
    if recorded is not None and str(layout.model_dir) in command_line(recorded):
        with suppress(ProcessLookupError):
            os.kill(recorded, signal.SIGKILL)


def remove(home: Path) -> None:
    """Delete a generation's folder."""
    shutil.rmtree(home, ignore_errors=True)
