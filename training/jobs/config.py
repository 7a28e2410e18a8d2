"""The configuration of the jobs: a TOML file, typed and checked before anything is started.

The limits are those of the SageMaker API (CreateHyperParameterTuningJob) and of the Amazon
SageMaker Developer Guide, "How hyperparameter tuning works" and "Limits".
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.jobs.errors import UsageError

DEFAULT_FILE = Path(__file__).with_name("config.toml")
SCALINGS = ("Auto", "Linear", "Logarithmic", "ReverseLogarithmic")
MAX_WARM_START_PARENTS = 5
# A tuning job's name has at most 32 characters; ours end in -tune-YYMMDD-HHMMSS-xxx.
MAX_NAME_CHARS = 9
# What decides the features of a photo. While one of these is tuned, trials cannot share a cache.
FEATURE_HYPERPARAMETERS = ("backbone", "weights", "unfreeze", "views", "seed", "precision")


@dataclass(frozen=True)
class Continuous:
    """Any number between two bounds, or (`integer`) any whole one."""

    minimum: float
    maximum: float
    scaling: str
    integer: bool = False


@dataclass(frozen=True)
class Categorical:
    """One of these, written as SageMaker passes them: as text."""

    values: tuple[str, ...]


Range = Continuous | Categorical


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_T = TypeVar("_T", bound=_Table)
AtLeastOne = Annotated[int, Field(ge=1)]


class JobSettings(_Table):
    """Where and how jobs run; empty texts stand for the SDK's defaults."""

    name: Annotated[
        str,
        Field(
            max_length=MAX_NAME_CHARS,
            pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
            description="expected lower-case letters, digits and single hyphens, at most "
            f"{MAX_NAME_CHARS} characters",
        ),
    ]
    image: str
    role: str
    bucket: str
    instance_type: Annotated[
        str,
        Field(
            pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$",
            description="expected a SageMaker instance type such as ml.m5.xlarge",
        ),
    ]
    instance_count: AtLeastOne = 1
    input_mode: Literal["File", "FastFile"] = "File"
    volume_gb: AtLeastOne
    max_runtime_s: AtLeastOne
    max_wait_s: AtLeastOne
    weights: str = ""


class TuningSettings(_Table):
    """The search; `ranges` names one of the configuration's sets of ranges."""

    strategy: Literal["Bayesian", "Random", "Grid", "Hyperband"]
    ranges: str
    max_jobs: int
    max_parallel_jobs: AtLeastOne
    early_stopping: Literal["Auto", "Off"]
    hyperband_min_epochs: int
    seed: int
    warm_start: Annotated[list[str], Field(max_length=MAX_WARM_START_PARENTS)]
    warm_start_type: Literal["IdenticalDataAndAlgorithm", "TransferLearning"]


@dataclass(frozen=True)
class Config:
    """A checked configuration; `ranges` is the chosen set, hyperparameters are texts."""

    jobs: JobSettings
    hyperparameters: Mapping[str, str]
    tuning: TuningSettings
    ranges: Mapping[str, Range]

    @property
    def trial_instances(self) -> int:
        """Hosts of each trial. One with shared features: a trial takes seconds then, and exchanging
        its gradients between hosts would take longer than computing them.
        """
        return 1 if self.shares_features else self.jobs.instance_count

    @property
    def shares_features(self) -> bool:
        """Whether every trial sees the same features, so that one job can compute them for all."""
        frozen = self.hyperparameters.get("unfreeze", "head") == "head"
        return frozen and not set(FEATURE_HYPERPARAMETERS) & self.ranges.keys()


def load(file: Path = DEFAULT_FILE, overrides: Sequence[str] = ()) -> Config:
    """The configuration in `file`, changed by `overrides` (`table.key=value`).

    Raises UsageError that names the file and the key.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not TOML: {error}") from error
    for override in overrides:
        _override(content, override)
    try:
        return _checked(content)
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from error


def checked_hyperparameter(name: str, value: str) -> None:
    """Raises UsageError for a hyperparameter that would not reach train.py as it is written.

    AWS's toolkit reads each value as JSON where it is some, and joins names and values to one line
    for a shell, without quotes (sagemaker-training-toolkit, process.py).
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]+", name):
        raise UsageError(f"hyperparameter {name!r}: expected a name such as batch-size")
    if not value:
        raise UsageError(f"hyperparameter {name} is empty. Leave it out for train.py's default.")
    if value == "null" or not re.fullmatch(r"[A-Za-z0-9_./:+@%=,][A-Za-z0-9_./:+@%=,-]*", value):
        raise UsageError(
            f"hyperparameter {name} = {value!r} would pass through a shell on its way to train.py. "
            "Letters without accents, digits and _ . / : + @ % = , - are safe there (and a hyphen "
            "not at the start); say it with those."
        )


def as_text(value: object) -> str:
    """A hyperparameter as SageMaker passes it: text; true and false in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _override(content: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    *tables, key = path.split(".")
    if not equals or not tables or not all([*tables, key]):
        raise UsageError(f"--set {override}: expected table.key=value, e.g. tuning.max_jobs=4")
    table = content
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {override}: {name} is no table")
    try:
        table[key] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[key] = text  # a word without quotes


def _checked(content: dict[str, Any]) -> Config:
    unknown = content.keys() - {"jobs", "hyperparameters", "tuning", "ranges"}
    if unknown:
        raise ValueError(f"[{min(unknown)}] is not known")
    jobs = _table(content, "jobs", JobSettings)
    tuning = _table(content, "tuning", TuningSettings)
    sets = content.get("ranges", {})
    if tuning.ranges not in sets:
        known = ", ".join(sorted(sets)) or "none"
        raise ValueError(f"[tuning] ranges: no [ranges.{tuning.ranges}] here, only {known}")
    ranges = {
        name: _range(f"[ranges.{tuning.ranges}] {name}", spec)
        for name, spec in sets[tuning.ranges].items()
    }
    hyperparameters = {
        name: as_text(value) for name, value in content.get("hyperparameters", {}).items()
    }
    for name, value in hyperparameters.items():
        checked_hyperparameter(name, value)
    for name, spec in ranges.items():
        for value in spec.values if isinstance(spec, Categorical) else ["0"]:
            checked_hyperparameter(name, value)
    config = Config(jobs, hyperparameters, tuning, ranges)
    if jobs.max_wait_s < jobs.max_runtime_s:
        raise ValueError("[jobs] max_wait_s must not be below max_runtime_s: it includes it")
    _check_tuning(config)
    return config


def _table(content: dict[str, Any], name: str, shape: type[_T]) -> _T:
    try:
        return shape.model_validate(content.get(name, {}))
    except ValidationError as error:
        first = error.errors()[0]
        key, given = ".".join(map(str, first["loc"])), first["input"]
        match first["type"]:
            case "missing":
                raise ValueError(f"[{name}] {key} is missing") from error
            case "extra_forbidden":
                known = ", ".join(shape.model_fields)
                raise ValueError(f"[{name}] {key} is not known; there is {known}") from error
        words = shape.model_fields[str(first["loc"][0])].description or first["msg"]
        raise ValueError(f"[{name}] {key} = {given!r}: {words}") from error


def _range(where: str, spec: Any) -> Range:
    kinds = {"continuous", "integer", "categorical"}
    chosen = kinds & spec.keys() if isinstance(spec, dict) else set()
    if len(chosen) != 1:
        raise ValueError(f"{where}: expected one of {', '.join(sorted(kinds))}")
    kind = chosen.pop()
    if kind == "categorical":
        values = tuple(as_text(value) for value in spec[kind])
        if not values or len(set(values)) != len(values):
            raise ValueError(f"{where}: categorical wants different values, at least one")
        return Categorical(values)
    scaling = spec.get("scaling", "Auto")
    if scaling not in SCALINGS:
        raise ValueError(f"{where}: scaling {scaling!r} is not one of {', '.join(SCALINGS)}")
    bounds = spec[kind]
    if len(bounds) != 2 or not all(isinstance(bound, int | float) for bound in bounds):
        raise ValueError(f"{where}: expected [lowest, highest]")
    low, high = bounds
    if not low < high:
        raise ValueError(f"{where}: {low} is not below {high}")
    if scaling == "Logarithmic" and low <= 0:
        raise ValueError(f"{where}: a logarithmic range must begin above 0")
    return Continuous(low, high, scaling, integer=kind == "integer")


def _check_tuning(config: Config) -> None:
    tuning = config.tuning
    if not config.ranges:
        raise ValueError(f"[ranges.{tuning.ranges}] is empty: nothing to tune")
    if tuning.strategy == "Grid":
        _check_grid(config)
    elif tuning.max_jobs < 1:
        raise ValueError("[tuning] max_jobs must be at least 1")
    if tuning.strategy == "Hyperband":
        _check_hyperband(config)


def _check_grid(config: Config) -> None:
    wide = [name for name, spec in config.ranges.items() if isinstance(spec, Continuous)]
    if wide:
        raise ValueError(
            f"[tuning] strategy = 'Grid' takes categorical ranges only, and {', '.join(wide)} of "
            f"[ranges.{config.tuning.ranges}] is none (ranges = 'grid' has some)"
        )
    if config.tuning.max_jobs not in (0, grid_size(config)):
        raise ValueError(
            f"[tuning] max_jobs: the grid has {grid_size(config)} combinations; set that, or 0"
        )


def _check_hyperband(config: Config) -> None:
    tuning = config.tuning
    if tuning.early_stopping != "Off":
        raise ValueError("[tuning] early_stopping: Hyperband stops trials itself, set 'Off'")
    epochs = config.hyperparameters.get("epochs", "")
    if not epochs.isdigit() or not 1 <= tuning.hyperband_min_epochs < int(epochs):
        raise ValueError(
            f"[tuning] hyperband_min_epochs = {tuning.hyperband_min_epochs} must be below "
            f"[hyperparameters] epochs = {epochs or 'missing'}"
        )


def grid_size(config: Config) -> int:
    """How many combinations the categorical ranges have."""
    sizes = [len(r.values) for r in config.ranges.values() if isinstance(r, Categorical)]
    return math.prod(sizes)
