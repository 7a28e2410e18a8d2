"""Checkpoints: everything a training needs to go on as if it had never stopped.

Random numbers need no state here. The order of the photos, their views and dropout's choices are
drawn from generators that are seeded with the run's seed, the epoch and the step (`seeded`), so
the position in the run is all that has to be kept, and any number of processes can draw the same.
"""

import hashlib
import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import JobError

FILE = "checkpoint.pt"
# SageMaker uploads what lies in the folder at any moment, but no file whose name ends in this: see
# TEMP_FILE_SUFFIX of aws/sagemaker-xgboost-container (checkpointing.py), and smdebug's
# profiler_trial.py: "will not be picked by service code for uploading".
NOT_UPLOADED = ".sagemaker-ignore"


@dataclass(frozen=True)
class EpochRecord:
    """One epoch's losses (nats, label smoothing included) and accuracies (0..1), and its time."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    lr: float
    seconds: float

    @property
    def line(self) -> tuple[int, float, float, float, float]:
        """What training.metric_lines.epoch_line prints."""
        validation = self.validation_loss, self.validation_accuracy
        return self.epoch, self.train_loss, self.train_accuracy, *validation

    def better_than(self, other: "EpochRecord | None") -> bool:
        """More validation photos right; with as many right, the lower loss."""
        if other is None:
            return True
        mine = (self.validation_accuracy, -self.validation_loss)
        return mine > (other.validation_accuracy, -other.validation_loss)


@dataclass
class Run:
    """Where a training is. It is the one thing here that changes, step by step."""

    epoch: int = 1  # the current one
    step: int = 0  # steps of it that are done
    loss_sum: float = 0.0  # over the photos of those steps, as are the next two
    hits: float = 0.0
    seen: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)
    best: EpochRecord | None = None
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    issues: dict[str, str] = field(default_factory=dict)  # of the debugger's rules: what they found
    stopped_by: str | None = None  # the rule that ended the training
    too_late: list[str] = field(default_factory=list)  # rules that would have, after its last epoch

    @property
    def position(self) -> tuple[int, int]:
        """Current epoch, and the steps of it that are done."""
        return self.epoch, self.step

    def add_step(self, loss: float, hits: int, n: int) -> None:
        """Note a step of n photos."""
        self.step += 1
        self.loss_sum += loss * n
        self.hits += hits
        self.seen += n

    def end_epoch(self, record: EpochRecord, model: nn.Module) -> None:
        """Note the epoch, keep the weights if it is the best so far, and move on to the next."""
        self.history.append(record)
        if record.better_than(self.best):
            self.best = record
            self.best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum = self.hits = self.seen = 0.0

    @property
    def epochs_without_gain(self) -> int:
        """Epochs since the best one."""
        return len(self.history) - self.best.epoch if self.best else 0


def seeded(*numbers: int) -> torch.Generator:
    """A generator of its own for these numbers, the same in every process and after a restart."""
    digest = hashlib.sha256(" ".join(map(str, numbers)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def save(
    folder: Path,
    identity: Mapping[str, Any],
    run: Run,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the checkpoint; the one before stays until this one is whole.

    `identity` is what makes two runs the same one: only such a run may go on from here.
    """
    progress = asdict(replace(run, best_weights={}))
    del progress["best_weights"]
    content = {
        "identity": json.dumps(identity, sort_keys=True),
        "progress": json.dumps(progress),  # floats survive JSON exactly
        "best_weights": run.best_weights,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / (FILE + NOT_UPLOADED)
    with partial.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())  # a power cut must not find the name of a file without content
    partial.replace(folder / FILE)


def read(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The checkpoint in `folder`; None where there is none.

    Raises JobError for a checkpoint of another run, which must not be overwritten unasked.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        before = json.loads(content["identity"])
        progress = json.loads(content["progress"])
        if not isinstance(before, dict) or not isinstance(progress, dict):
            raise TypeError("its identity or its progress is no JSON object")
    except (
        OSError, EOFError, RuntimeError, pickle.UnpicklingError, LookupError, ValueError, TypeError
    ) as error:  # fmt: skip
        raise JobError(
            f"{path}: not a checkpoint of this job: {error or type(error).__name__}. Delete it, "
            "and the job begins anew"
        ) from error
    now = json.loads(json.dumps(identity))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise JobError(
                f"{path} is of another run: its {name} is {before.get(name)}, this job's is "
                f"{now.get(name)}. Finish that run, delete the file, or give this job another "
                "checkpoint folder"
            )
    return content


def restore(
    content: Mapping[str, Any] | None,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    first: bool,
) -> Run:
    """Put what `read` gave into model and optimizer; a new Run for None.

    In a distributed run only the first process takes over the sums of the epoch so far.
    """
    if content is None:
        return Run()
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    progress = json.loads(content["progress"])
    progress["history"] = [EpochRecord(**record) for record in progress["history"]]
    progress["best"] = EpochRecord(**progress["best"]) if progress["best"] else None
    run = Run(**progress, best_weights=content["best_weights"])
    if not first:
        run.loss_sum = run.hits = run.seen = 0.0
    return run


def discard(folder: Path) -> None:
    """Remove the checkpoint of a run that is complete."""
    (folder / FILE).unlink(missing_ok=True)
