"""The request's DebugHookConfig is read as smdebug would, and its trap is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.debugger.hook_config import HookConfig, Interval, read


def config(folder: Path, content: Any) -> HookConfig:
    """Read `content` from a file as SageMaker leaves it."""
    path = folder / "debughookconfig.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read(path)


def test_no_file_means_every_step(tmp_path: Path) -> None:
    found = read(tmp_path / "debughookconfig.json")

    assert found.whole_tensors is None
    assert all(step in found.intervals[m] for m in ("train", "eval", "predict") for step in (0, 1))


def test_intervals_alone_leave_the_recorder_in_charge(tmp_path: Path) -> None:
    parameters = {"save_interval": "10", "train.save_interval": "2", "train.end_step": "5"}

    found = config(tmp_path, {"LocalPath": "/x", "HookParameters": parameters})

    assert found.whole_tensors is None
    assert [step for step in range(12) if step in found.intervals["train"]] == [0, 2, 4]
    assert found.intervals["eval"] == Interval(10)


@pytest.mark.parametrize(
    "content",
    [
        {"CollectionConfigurations": [{"CollectionName": "gradients"}]},
        {"HookParameters": {"save_all": "true"}},
        {"HookParameters": {"include_regex": "relu"}},
    ],
    ids=str,
)
def test_request_for_tensors_gets_smdebugs_hook(tmp_path: Path, content: Any) -> None:
    assert config(tmp_path, content).whole_tensors == content


def test_collection_interval_above_the_hooks_is_named(tmp_path: Path) -> None:
    def request(interval: str) -> dict[str, Any]:
        collection = {
            "CollectionName": "gradients",
            "CollectionParameters": {"save_interval": interval},
        }
        return {
            "HookParameters": {"train.save_interval": "1", "eval.save_interval": "500"},
            "CollectionConfigurations": [collection],
        }

    assert config(tmp_path, request("1")).overridden() == []
    overridden = config(tmp_path, request("500")).overridden()
    assert len(overridden) == 2  # train, and predict by its default of 1
    assert overridden[0] == "gradients: every 500 train steps, although the hook says 1"


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        {"HookParameters": {"save_interval": "0"}},
        {"HookParameters": {"start_step": "x"}},
    ],
    ids=str,
)
def test_broken_file_is_refused_with_its_name(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ValueError, match=r"debughookconfig.json is not a DebugHookConfig"):
        config(tmp_path, content)
