"""What to record, from the request's DebugHookConfig, which SageMaker leaves in a file.

SageMaker writes /opt/ml/input/config/debughookconfig.json: DebugHookConfig and "LocalPath". Cases:

- No file, or one with nothing but save intervals: this package's recorder, which saves the
  summaries that our rules read, at those intervals (1 by default).
- A file with collections, regular expressions, reductions or save_all: smdebug's own hook, exactly
  as requested, because the reader (AWS's managed rules, a notebook) needs whole tensors. It is
  slow.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODES = ("train", "eval", "predict")
INTERVAL_KEYS = ("save_interval", "start_step", "end_step")


@dataclass(frozen=True)
class Interval:
    """Steps of one mode to record: every `every`-th, from `start` up to, not including, `end`."""

    every: int = 1
    start: int = 0
    end: int | None = None

    def __contains__(self, step: int) -> bool:
        if step < self.start or (self.end is not None and step >= self.end):
            return False
        return step % self.every == 0


@dataclass(frozen=True)
class HookConfig:
    """`whole_tensors` is the request's content if it needs smdebug's own hook, else None."""

    intervals: Mapping[str, Interval]
    whole_tensors: dict[str, Any] | None = None

    def overridden(self) -> list[str]:
        """Collections whose own save_interval overrides a smaller one of the hook, described.

        In smdebug a collection's interval beats the hook's. `rule_configs.vanishing_gradient()` and
        `poor_weight_initialization()` of the SageMaker SDK bring collections with save_interval
        500, so that `train.save_interval=1` on the hook records gradients at step 0 only.
        """
        found = []
        for collection in (self.whole_tensors or {}).get("CollectionConfigurations") or []:
            parameters = collection.get("CollectionParameters") or {}
            for mode in MODES:
                own = parameters.get(f"{mode}.save_interval", parameters.get("save_interval"))
                if own is not None and int(own) > self.intervals[mode].every:
                    found.append(
                        f"{collection['CollectionName']}: every {own} {mode} steps, although the "
                        f"hook says {self.intervals[mode].every}"
                    )
        return found


def read(path: Path) -> HookConfig:
    """The configuration in `path`, or the default where there is no such file.

    Raises:
        ValueError: the file holds no JSON object, or an interval that is no whole number above 0.
    """
    if not path.is_file():
        return HookConfig({mode: Interval() for mode in MODES})
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parameters = content.get("HookParameters") or {}
        intervals = {mode: interval(parameters, mode) for mode in MODES}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not a DebugHookConfig: {error}") from error
    others = [key for key in parameters if key.rpartition(".")[2] not in INTERVAL_KEYS]
    wants_tensors = bool(others or content.get("CollectionConfigurations"))
    return HookConfig(intervals, content if wants_tensors else None)


def interval(parameters: Mapping[str, str], mode: str) -> Interval:
    """A mode's interval: `train.save_interval` before `save_interval` before 1."""
    values = {key: parameters.get(f"{mode}.{key}", parameters.get(key)) for key in INTERVAL_KEYS}
    every = int(values["save_interval"] or 1)
    if every < 1:
        raise ValueError(f"{mode}.save_interval is {every}; it must be 1 or more")
    end = values["end_step"]
    return Interval(every, int(values["start_step"] or 0), None if end is None else int(end))
