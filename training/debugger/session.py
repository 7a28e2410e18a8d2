"""One training process' debugger: its hook, its two child processes, its verdicts."""

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import torch
import torch.distributed
from torch import nn

from training.debugger.children import RulesProcess, Writer
from training.debugger.hook_config import HookConfig, read
from training.debugger.interface import RULES, Earlier, Mode
from training.debugger.recorder import Recorder
from training.debugger.status import SEEN, Evaluation
from training.debugger.trial_files import write_collections

CATCH_UP_S = 60.0  # how long the end of an epoch may wait for the rules, their start included
FINISH_S = 120.0  # how long the end of a training may wait for the writer, and for the rules


class Hook(Protocol):
    """Recorder or smdebug's own hook."""

    closed: bool

    def mode(self, name: str) -> None: ...

    def sync(self) -> int | None: ...

    def close(self) -> None: ...


class NoDebugger:
    """Does nothing."""

    enabled: Final = False

    def __init__(self, statuses: Mapping[str, str]) -> None:
        self.statuses = dict(statuses)

    def mode(self, name: Mode) -> None:
        """Do nothing."""

    def should_stop(self) -> str | None:
        """Never."""
        return None

    def issues(self) -> dict[str, str]:
        """None."""
        return {}

    def close(self, report_dir: Path | None = None) -> dict[str, str]:
        """The rules' statuses: none, or Error where they could not run."""
        return self.statuses


class ActiveDebugger:
    """A hook that records, and a process that evaluates the rules."""

    def __init__(
        self, hook: Hook, writer: Writer | None, rules: RulesProcess, stop_on: tuple[str, ...]
    ) -> None:
        self.hook, self.writer, self.rules, self.stop_on = hook, writer, rules, stop_on
        self.slow = False  # the rules could not keep up: training no longer waits for them
        self.statuses: dict[str, str] | None = None

    @property
    def enabled(self) -> bool:
        """Whether steps are being recorded."""
        return self.statuses is None and not self.hook.closed

    def mode(self, name: Mode) -> None:
        """Set the mode of the following forward passes."""
        self.hook.mode(name)

    def should_stop(self) -> str | None:
        """Name of a rule of `stop_on` that found issues in the steps so far, else None."""
        if not self.stop_on:
            return None
        step = self.hook.sync()
        if step is not None and not self.slow:
            self.slow = not self.rules.catch_up(step, self.stop_on, CATCH_UP_S)
            if self.slow:
                log(f"the rules are {CATCH_UP_S:.0f} s behind; training no longer waits for them")
        for rule in self.stop_on:
            if self.rules.state(rule) == "IssuesFound":
                return rule
        return None

    def issues(self) -> dict[str, str]:
        """The rules' findings so far, by rule."""
        return self.rules.issues()

    def close(self, report_dir: Path | None = None) -> dict[str, str]:
        """Remove the hook, wait for the rules, copy their files."""
        if self.statuses is None:
            self.hook.close()
            if self.writer is not None:
                self.writer.close(FINISH_S)
            self.statuses = self.rules.finish(FINISH_S)
        if report_dir is not None:
            rules = report_dir / "rules"
            ignored = shutil.ignore_patterns(SEEN)
            shutil.copytree(self.rules.statuses, rules, dirs_exist_ok=True, ignore=ignored)
        return dict(self.statuses)


def start(
    model: nn.Module,
    loss: nn.Module,
    base_dir: Path,
    stop_on: tuple[str, ...],
    rules: Mapping[str, Mapping[str, Any]],
    earlier: Earlier,
) -> NoDebugger | ActiveDebugger:
    """See `training.debugger.attach`."""
    for name in (*stop_on, *rules):
        if name not in RULES:
            raise ValueError(f"{name!r} is no rule; the rules are {', '.join(RULES)}")
    if torch.distributed.is_initialized() and torch.distributed.get_rank() != 0:
        return NoDebugger({})
    statuses = base_dir / "output" / "rules"
    tensors = base_dir / "output" / "tensors"
    set_aside(statuses)
    set_aside(tensors)
    reason = refusal(model)
    if reason:
        log(f"{reason}; training continues without the debugger")
        for name, parameters in rules.items():
            Evaluation(name, "Error", reason, parameters).write(statuses)
        return NoDebugger(dict.fromkeys(rules, "Error"))
    config = read(base_dir / "input" / "config" / "debughookconfig.json")
    for interval in config.overridden():
        log(f"the request saves {interval}; a rule sees only those steps")
    process = RulesProcess(tensors, statuses, rules, earlier)
    hook, writer = hooks(config, tensors, model, loss, earlier.steps)
    return ActiveDebugger(hook, writer, process, stop_on)


def refusal(model: nn.Module) -> str | None:
    """Why this model cannot be debugged here, or None."""
    if isinstance(model, torch.jit.ScriptModule) or hasattr(model, "_orig_mod"):
        return "the model is compiled, and hooks would break it (attach before torch.compile)"
    if importlib.util.find_spec("smdebug") is None:
        return "smdebug is not installed (pip install -r training/requirements.txt)"
    return None


def hooks(
    config: HookConfig,
    tensors: Path,
    model: nn.Module,
    loss: nn.Module,
    done: Mapping[str, int],
) -> tuple[Hook, Writer | None]:
    """The hook that the request describes, and the writer that it needs."""
    if config.whole_tensors is not None:
        # Imported only here, because smdebug takes a second to import.
        from training.debugger.smdebug_bridge import WholeTensorHook

        return WholeTensorHook(config.whole_tensors, tensors, model, loss), None
    writer = Writer(tensors)
    recorder = Recorder(model, loss, config.intervals, writer.send, done)
    write_collections(tensors, recorder.collections())
    return recorder, writer


def set_aside(folder: Path) -> None:
    """Rename the folder of an earlier attempt.

    A trial must start in an empty one, and old verdicts must not be read as this run's.
    """
    number = 1
    while folder.with_name(f"{folder.name}-{number}").exists():
        number += 1
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}-{number}"))


def log(message: str) -> None:
    """Print one line on stderr."""
    print(f"[debugger] {message}", file=sys.stderr, flush=True)
