"""The only module that imports smdebug (1.0.34, frozen upstream): its rules, its trials, its hook.

smdebug needs requests, pandas, psutil and, for distutils, which Python 3.12 removed, setuptools: it
declares none of them. It also needs numpy < 2.3. Where it does not import, importing this module
raises the same error, in the rules' process or where a request needs whole tensors.
"""

import json
import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("SMDEBUG_LOG_LEVEL", "error")  # it logs every step otherwise
# FollowedTrial refreshes itself; smdebug would sleep for this long when it sees the trial's end.
os.environ.setdefault("SMDEBUG_TRAINING_END_DELAY_REFRESH", "0")

import numpy as np
import numpy.typing as npt
from smdebug.core.index_reader import LocalIndexReader
from smdebug.core.locations import TensorLocation
from smdebug.core.modes import ModeKeys
from smdebug.exceptions import (
    RuleEvaluationConditionMet,
    StepUnavailable,
    TensorUnavailable,
    TensorUnavailableForStep,
)
from smdebug.rules import Rule
from smdebug.trials.local_trial import LocalTrial
from smdebug.trials.trial import Trial

from training.debugger.trial_files import END_OF_JOB, WORKER, WRITTEN_BY, content_of

__all__ = [
    "NOT_RECORDED",
    "FollowedTrial",
    "ModeKeys",
    "Rule",
    "RuleEvaluationConditionMet",
    "WholeTensorHook",
]

NOT_RECORDED = (StepUnavailable, TensorUnavailable, TensorUnavailableForStep)


class StepIndexReader(LocalIndexReader):
    """Reads each index file once, in order, and our own records without parsing protobuf.

    smdebug's reader lists and sorts every index file of the trial at each call, and sorts its cache
    at each file beyond the thousandth: minutes for the ten thousand steps of a small head.
    """

    def __init__(self, path: str, fixed_layout: bool) -> None:
        super().__init__(path)
        self.fixed_layout = fixed_layout
        self.event_files: dict[str, bytes] = {}

    def list_index_files(self, after: str | None = None) -> list[str]:
        """Index files after `after`, in order of steps."""
        root = Path(self.path) / "index"
        first = Path(after).parent.name if after else ""
        folders = [one for one in root.iterdir() if one.name >= first] if root.is_dir() else []
        files = sorted(str(file) for folder in folders for file in folder.glob("*.json"))
        return files[bisect_right(files, after) :] if after else files

    def read_index_files(
        self, start_after_key: str | None, range_steps: object = None
    ) -> tuple[list[bytes], list[int], str | None, list[str]]:
        """Contents, steps, last file and workers of the index files after `start_after_key`."""
        files = self.list_index_files(start_after_key)
        steps = [int(Path(file).name.partition("_")[0]) for file in files]
        contents = [Path(file).read_bytes() for file in files]
        return contents, steps, files[-1] if files else start_after_key, [WORKER] * len(files)

    def fetch_tensor_value(self, tensor_location: TensorLocation) -> npt.NDArray[Any]:
        """The tensor of one record."""
        if not self.fixed_layout:
            return np.asarray(super().fetch_tensor_value(tensor_location))
        name = tensor_location.event_file_name
        if name not in self.event_files:
            self.event_files.clear()  # steps are read in order: one file at a time is enough
            self.event_files[name] = Path(name).read_bytes()
        start = tensor_location.start_idx
        raw = self.event_files[name][start : start + tensor_location.length]
        return content_of(raw, tensor_location.tensorname)


class FollowedTrial(LocalTrial):
    """smdebug's local trial, read once from start to end while it is written.

    smdebug refreshes a trial at every query. This one is refreshed by `new_steps` alone, and drops
    the steps that every rule has seen, so that a long training fits into memory.
    """

    def __init__(self, folder: Path) -> None:
        Trial.__init__(self, folder.name)
        self.path = self.trial_dir = str(folder)
        self._load_collections()
        meta = self.collection_manager._meta
        self.summaries = meta.get("writer") == WRITTEN_BY
        self.index_reader = StepIndexReader(self.path, fixed_layout=self.summaries)
        self.token: str | None = None

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether the collections file, which a trial waits for, is there."""
        return any(folder.glob("collections/*/*_collections.json"))

    @staticmethod
    def ended(folder: Path) -> bool:
        """Whether all steps have been written."""
        return (folder / END_OF_JOB).exists()

    def new_steps(self) -> list[int]:
        """Load the steps written since the last call, return their global step numbers."""
        tensors, self.token = self.index_reader.load_tensor_data_from_index_files(self.token)
        self.index_tensors_dict.clear()
        self._load_tensors_from_index_tensors(tensors)
        return sorted({step for steps in tensors.values() for step in steps})

    def maybe_refresh(self, name: str | None = None) -> None:
        """Do nothing: `new_steps` refreshes."""

    def wait_for_steps(
        self, required_steps: Iterable[int], mode: ModeKeys = ModeKeys.GLOBAL
    ) -> None:
        """Return at once: rules are invoked for steps of `new_steps` only, which are complete."""

    def names(self, step: int) -> set[str]:
        """Names of the tensors of a global step."""
        names: set[str] = self.global_step_to_tensors_map.get(step, set())
        return names

    def forget(self, steps: Iterable[int]) -> None:
        """Drop these global steps."""
        for step in steps:
            mode, mode_step = self._global_to_mode.pop(step)
            self.workers_for_global_step.pop(step, None)
            self._mode_to_global.get(mode, {}).pop(mode_step, None)
            for name in self.global_step_to_tensors_map.pop(step, ()):
                self._tensors[name]._mode_steps[mode]._steps.pop(mode_step, None)


class WholeTensorHook:
    """smdebug's own hook, configured by the request's DebugHookConfig, with the recorder's methods.

    It fails with torch.compile and torch.jit.script; numpy has no bfloat16: such a tensor is
    recorded as float32.
    """

    def __init__(self, config: dict[str, Any], folder: Path, model: Any, loss: Any) -> None:
        # The rules' process needs neither torch nor this half of smdebug.
        import torch
        from smdebug.pytorch import Hook

        class BfloatHook(Hook):
            @staticmethod
            def _make_numpy_array(tensor: Any) -> npt.NDArray[Any]:
                if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.bfloat16:
                    tensor = tensor.float()
                array: npt.NDArray[Any] = Hook._make_numpy_array(tensor)
                return array

        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({**config, "LocalPath": str(folder)}, file)
            file.flush()
            self.hook = BfloatHook.create_from_json_file(file.name)
        self.folder, self.closed = folder, False
        self.hook.register_module(model)
        self.hook.register_loss(loss)
        self.mode("train")

    def mode(self, name: str) -> None:
        """Set the mode of the following forward passes."""
        self.hook.set_mode(ModeKeys[name.upper()])

    def sync(self) -> None:
        """Nothing to wait for: smdebug writes a step when the next one begins."""

    def close(self) -> None:
        """Write the remaining steps and mark the trial as complete."""
        self.closed = True
        self.hook.close()
        # smdebug leaves this to SageMaker when it runs inside a job; our rules wait for it.
        (self.folder / END_OF_JOB).touch()
