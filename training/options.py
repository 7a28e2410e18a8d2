"""The job's hyperparameters and folders, read once from the command line and the environment."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from serving.settings import FloatPrecision
from training.debugger import RULES
from training.errors import JobError
from training.network.backbones import REGISTRY
from training.profiler import Lever

# Widths of the hidden layers between the features and the classes.
HEADS: dict[str, tuple[int, ...]] = {"linear": (), "three-layer": (2048, 516)}
UNFREEZE = ("head", "last-stage", "all")
PRECISIONS = ("auto", *get_args(FloatPrecision))
DOG_SCORES = ("auto", "true", "false")


@dataclass(frozen=True)
class Options:
    """Every hyperparameter, with its default; training/train.py's docstring says what each does."""

    backbone: str = "efficientnet_lite2"
    weights: str | None = None
    head: str = "linear"
    unfreeze: str = "head"
    epochs: int = 20
    batch_size: int = 64
    lr: float = 0.03
    weight_decay: float = 0.3
    label_smoothing: float = 0.1
    dropout: float = 0.0
    views: int = 1
    patience: int = 8
    seed: int = 0
    precision: Literal["auto"] | FloatPrecision = "auto"
    dog_score: str = "auto"
    model_name: str = "breed-classifier"
    features_only: bool = False
    debug: bool = False
    stop_on: tuple[str, ...] = ()
    profile: bool = False

    @property
    def frozen(self) -> bool:
        """Whether the backbone stays as it is, so that its features can be computed once."""
        return self.unfreeze == "head"

    def to_json(self) -> dict[str, Any]:
        """Under the names of the command line."""
        return {name.replace("_", "-"): value for name, value in asdict(self).items()}


def hints(options: Options) -> dict[Lever, str | None]:
    """The hyperparameters behind the profiler's recommendations; None where this job has none."""
    return {
        "reused features": "--features-only true, then its output as channel features",
        "frozen backbone": None if options.frozen else "--unfreeze head",
        "network": None if options.frozen else "--backbone, --precision bf16",
        "batch size": f"--batch-size, now {options.batch_size}",
        "views": f"--views, now {options.views}" if options.views > 1 else None,
        "epochs": "--epochs, --patience",
        "loader workers": None,
        "debugger hook": "--debug false",
        "profiler": "--profile false",
    }


@dataclass(frozen=True)
class Folders:
    """Where SageMaker puts things; a channel that the job has not is None."""

    base: Path
    data: Path | None
    features: Path | None
    weights: Path | None
    model: Path
    output: Path

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Folders":
        """Read SAGEMAKER_BASE_DIR and SM_*; their defaults are SageMaker's own folders."""
        base = Path(environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))

        def channel(name: str) -> Path | None:
            given = environ.get(f"SM_CHANNEL_{name.upper()}")
            folder = Path(given) if given else base / "input" / "data" / name
            return folder if given or folder.is_dir() else None

        return cls(
            base=base,
            data=channel("data"),
            features=channel("features"),
            weights=channel("weights"),
            model=Path(environ.get("SM_MODEL_DIR", base / "model")),
            output=Path(environ.get("SM_OUTPUT_DATA_DIR", base / "output" / "data")),
        )

    @property
    def cache(self) -> Path:
        """Features of earlier runs with the same base folder."""
        return self.base / "cache"

    def given_weights(self, option: str | None) -> str | None:
        """The option --weights, or the one file of the channel `weights`; None without either."""
        if option is not None or self.weights is None:
            return option
        files = sorted(path for path in self.weights.iterdir() if path.is_file())
        if len(files) != 1:
            raise JobError(f"channel weights: {self.weights} holds {len(files)} files, not one")
        return str(files[0])

    @property
    def checkpoints(self) -> Path:
        """What SageMaker keeps in S3 over a spot interruption (CheckpointConfig's default)."""
        return self.base / "checkpoints"


def job_name(environ: Mapping[str, str] = os.environ) -> str | None:
    """SageMaker's name of this job; None in a bare run."""
    return environ.get("TRAINING_JOB_NAME") or environ.get("SM_TRAINING_JOB_NAME")


class _Parser(argparse.ArgumentParser):
    """Exits with 2 and a message that SageMaker's toolkit copies into output/failure.

    The toolkit looks for the name of a Python error in a line and keeps what follows from there.
    """

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"ValueError: {self.prog}: {message}\n")


def parse(arguments: Sequence[str] | None, description: str | None, processes: int = 1) -> Options:
    """Command line -> Options; exits with 2 on a value that cannot be used by so many processes."""
    default = Options()
    parser = _Parser(
        prog="train.py", description=description, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--backbone", choices=tuple(REGISTRY), default=default.backbone)
    add("--weights", default=default.weights)
    add("--head", choices=tuple(HEADS), default=default.head)
    add("--unfreeze", choices=UNFREEZE, default=default.unfreeze)
    add("--epochs", type=_whole(1), default=default.epochs)
    add("--batch-size", type=_whole(1), default=default.batch_size)
    add("--lr", type=_number(0, 10, open_start=True), default=default.lr)
    add("--weight-decay", type=_number(0, 1), default=default.weight_decay)
    add("--label-smoothing", type=_number(0, 0.9), default=default.label_smoothing)
    add("--dropout", type=_number(0, 0.95), default=default.dropout)
    add("--views", type=_whole(1), default=default.views)
    add("--patience", type=_whole(1), default=default.patience)
    add("--seed", type=_whole(0), default=default.seed)
    add("--precision", choices=PRECISIONS, default=default.precision)
    add("--dog-score", choices=DOG_SCORES, default=default.dog_score)
    add("--model-name", default=default.model_name)
    add("--features-only", type=_flag, default=default.features_only)
    add("--debug", type=_flag, default=default.debug)
    add("--stop-on", type=_rules, default=default.stop_on)
    add("--profile", type=_flag, default=default.profile)
    options = Options(**vars(parser.parse_args(arguments)))
    if options.batch_size < processes:
        parser.error(
            f"--batch-size {options.batch_size} is less than the {processes} processes that share "
            "a batch: raise it, or start fewer"
        )
    if options.stop_on and not options.debug:
        parser.error("--stop-on needs --debug true: without it no rule is evaluated")
    return options


def _whole(least: int) -> Any:
    def read(text: str) -> int:
        # A tuner may write 64 as 64.0.
        value = float(text)
        if not value.is_integer() or value < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {least}")
        return int(value)

    read.__name__ = "whole number"  # argparse names it in its message
    return read


def _number(start: float, end: float, *, open_start: bool = False) -> Any:
    def read(text: str) -> float:
        value = float(text)
        if not start <= value <= end or (open_start and value == start):
            between = f"above {start:g} and at most" if open_start else f"from {start:g} to"
            raise argparse.ArgumentTypeError(f"{text} is not {between} {end:g}")
        return value

    read.__name__ = "number"
    return read


def _flag(text: str) -> bool:
    """Hyperparameters are text, so a flag is the word true or false."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _rules(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in RULES:
            raise argparse.ArgumentTypeError(f"{name!r} is no rule; they are {', '.join(RULES)}")
    return names
