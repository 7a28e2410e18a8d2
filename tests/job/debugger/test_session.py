"""The debugger's processes: they help, they stop what they should, and they never harm."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import nn

from tests.job.debugger.trainings import Data, epoch, linear, mlp, separable, started_badly
from training.debugger import Earlier, attach
from training.debugger.children import Writer
from training.debugger.session import set_aside
from training.debugger.smdebug_bridge import FollowedTrial
from training.debugger.status import read
from training.debugger.writer import HEADER, define

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 180  # two processes that import torch and smdebug, on a busy machine


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def setup() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer, Data]:
    """A small training."""
    torch.manual_seed(3)
    model = mlp()
    return model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.003), separable()


def test_rule_of_stop_on_is_reported_while_the_job_runs(tmp_path: Path) -> None:
    model, loss, _, data = setup()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e18)
    rules: dict[str, dict[str, float]] = {"ExplodingTensor": {}, "Overfit": {}}
    debugger = attach(model, loss, tmp_path, stop_on=["ExplodingTensor"], rules=rules)
    assert debugger.enabled
    epoch(model, loss, optimizer, data, 32, debugger.mode)

    assert debugger.should_stop() == "ExplodingTensor"  # though the rules have only just started

    statuses = debugger.close(tmp_path / "report")

    assert statuses == {"ExplodingTensor": "IssuesFound", "Overfit": "NoIssuesFound"}
    assert debugger.close() == statuses
    state = read(tmp_path / "report" / "rules", "ExplodingTensor")
    assert state is not None
    assert "nan" in state["StatusDetails"] or "inf" in state["StatusDetails"]


def test_broken_rule_leaves_the_others_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, loss, optimizer, data = setup()
    rules: dict[str, dict[str, Any]] = {
        "VanishingGradient": {"threshold": "a word"},  # fails at the first step
        "Overfit": {"no_such_parameter": 1},  # fails before it
        "DeadRelu": {"threshold_layer": 100.0},
    }
    debugger = attach(model, loss, tmp_path, rules=rules)
    epoch(model, loss, optimizer, data, 32, debugger.mode)

    statuses = debugger.close()

    assert statuses == {
        "VanishingGradient": "Error",
        "Overfit": "Error",
        "DeadRelu": "NoIssuesFound",
    }
    state = read(tmp_path / "output" / "rules", "VanishingGradient")
    assert state is not None
    assert state["StatusDetails"].startswith("step 0: TypeError: ")
    assert "[rule] DeadRelu: NoIssuesFound" in capfd.readouterr().out


def test_smdebug_that_does_not_import_is_said_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    poison = tmp_path / "poison" / "smdebug"
    poison.mkdir(parents=True)
    (poison / "__init__.py").write_text("raise AttributeError('no attribute tostring')")
    monkeypatch.setenv("PYTHONPATH", str(poison.parent))
    model, loss, optimizer, data = setup()
    before = [parameter.clone() for parameter in model.parameters()]
    debugger = attach(model, loss, tmp_path, stop_on=["Overfit"])
    for _ in range(2):
        epoch(model, loss, optimizer, data, 32, debugger.mode)
        assert debugger.should_stop() is None

    statuses = debugger.close(tmp_path / "report")

    assert set(statuses.values()) == {"Error"}
    assert not all(map(torch.equal, before, model.parameters()))
    assert capfd.readouterr().err.count("smdebug cannot be imported") == 1


def test_missing_smdebug_is_said_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model, loss, optimizer, data = setup()

    debugger = attach(model, loss, tmp_path, stop_on=["Overfit"])
    epoch(model, loss, optimizer, data, 32, debugger.mode)

    assert not debugger.enabled
    assert debugger.should_stop() is None
    assert set(debugger.close(tmp_path / "report").values()) == {"Error"}
    assert capfd.readouterr().err.count("smdebug is not installed") == 1
    assert not (tmp_path / "output" / "tensors").exists()


def test_writer_that_dies_takes_the_hook_with_it_and_training_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, loss, optimizer, data = setup()
    debugger = attach(model, loss, tmp_path, rules={"Overfit": {}})
    children = psutil.Process().children()
    (writer,) = (child for child in children if "training.debugger.writer" in child.cmdline())
    writer.kill()

    for _ in range(10):
        epoch(model, loss, optimizer, data, 32, debugger.mode)

    assert not debugger.enabled
    assert debugger.close() == {"Overfit": "NoIssuesFound"}
    assert capfd.readouterr().err.count("nothing more is recorded") == 1


def test_killed_training_leaves_no_process(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from tests.job.debugger.test_session import setup, epoch, attach\n"
        "model, loss, optimizer, data = setup()\n"
        "debugger = attach(model, loss, Path(sys.argv[1]), rules={'Overfit': {}})\n"
        "while True: epoch(model, loss, optimizer, data, 32, debugger.mode)\n"
    )
    training = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    try:
        wait_for(lambda: any((tmp_path / "output" / "tensors").glob("index/*/*.json")))
    finally:
        training.kill()
        training.wait()

    def no_process_left() -> bool:
        commands = (one.info["cmdline"] or () for one in psutil.process_iter(["cmdline"]))
        return not any(str(tmp_path) in part for command in commands for part in command)

    wait_for(no_process_left)
    state = json.loads((tmp_path / "output" / "rules" / "Overfit.json").read_text())
    assert state["RuleEvaluationStatus"] in ("Stopped", "IssuesFound")
    wait_for((tmp_path / "output" / "tensors" / "training_job_end.ts").exists)


def test_verdict_of_an_earlier_run_stops_no_later_one(tmp_path: Path) -> None:
    rules: dict[str, dict[str, Any]] = {"ExplodingTensor": {}}
    found = []
    for rate in (1e18, 0.003):
        model, loss, _, data = setup()
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        debugger = attach(model, loss, tmp_path, stop_on=["ExplodingTensor"], rules=rules)
        at_once = debugger.should_stop()
        epoch(model, loss, optimizer, data, 32, debugger.mode)
        found.append((at_once, debugger.should_stop(), debugger.close()["ExplodingTensor"]))

    assert found == [
        (None, "ExplodingTensor", "IssuesFound"),
        (None, None, "NoIssuesFound"),
    ]
    kept = read(tmp_path / "output" / "rules-1", "ExplodingTensor")
    assert kept is not None
    assert kept["RuleEvaluationStatus"] == "IssuesFound"


def test_process_of_an_earlier_run_writes_nothing_into_a_later_ones_folder(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "tensors")
    set_aside(tmp_path / "tensors")
    (tmp_path / "tensors").mkdir()
    writer.send(define(0, "train", [("loss", 1)]) + HEADER.pack(0, 0, 0, 1.0, 4) + bytes(4))
    writer.close(DEADLINE_S)

    assert list((tmp_path / "tensors").iterdir()) == []
    assert (tmp_path / "tensors-1" / "training_job_end.ts").exists()
    assert len(list((tmp_path / "tensors-1").glob("index/*/*.json"))) == 1


def resumed(
    base: Path, earlier: Earlier, model: nn.Module, rules: dict[str, dict[str, Any]]
) -> dict[str, str]:
    """An epoch of a run that goes on from a checkpoint: 20 train steps and an evaluation."""
    _, loss, _, data = setup()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    debugger = attach(model, loss, base, rules=rules, earlier=earlier)
    epoch(model, loss, optimizer, data, 32, debugger.mode)
    return debugger.close(base / "report")


def test_resumed_run_has_no_first_steps_a_second_time(tmp_path: Path) -> None:
    rules: dict[str, dict[str, Any]] = {"PoorWeightInitialization": {}}
    begun = resumed(tmp_path / "begun", Earlier(), started_badly(), rules)
    earlier = Earlier({"train": 60, "eval": 3})
    gone_on = resumed(tmp_path / "gone-on", earlier, started_badly(), rules)

    assert begun == {"PoorWeightInitialization": "IssuesFound"}
    assert gone_on == {"PoorWeightInitialization": "NoIssuesFound"}
    trial = FollowedTrial(tmp_path / "gone-on" / "output" / "tensors")
    assert trial.new_steps() == list(range(63, 84))
    assert trial.mode_step(63) == 60
    assert trial.mode_step(83) == 3


@pytest.mark.parametrize(("before", "status"), [(2, "IssuesFound"), (1, "NoIssuesFound")])
def test_patience_goes_on_over_a_resume(before: int, status: str, tmp_path: Path) -> None:
    rounds = [(21 * (number + 1) - 1, 1.0, 2.0) for number in range(before)]
    earlier = Earlier({"train": 20 * before, "eval": before}, rounds)
    # AND the round of this attempt exceeds it too: every ratio is above -1
    rules = {"Overfit": {"patience": 3, "ratio_threshold": -1.0}}

    assert resumed(tmp_path, earlier, mlp(), rules) == {"Overfit": status}


def test_what_a_rule_found_before_the_checkpoint_is_not_lost(tmp_path: Path) -> None:
    earlier = Earlier({"train": 60, "eval": 3}, issues={"DeadRelu": "step 4: all dead"})

    assert resumed(tmp_path, earlier, mlp(), {"DeadRelu": {}}) == {"DeadRelu": "IssuesFound"}
    state = read(tmp_path / "report" / "rules", "DeadRelu")
    assert state is not None
    assert state["StatusDetails"] == "step 4: all dead"
    assert sorted(path.name for path in (tmp_path / "report" / "rules").iterdir()) == [
        "DeadRelu.json"
    ]


def test_issues_found_so_far_are_there_for_a_checkpoint(tmp_path: Path) -> None:
    model, loss, _, data = setup()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e18)
    rules: dict[str, dict[str, Any]] = {"ExplodingTensor": {}, "DeadRelu": {"threshold_layer": 100}}
    debugger = attach(model, loss, tmp_path, stop_on=["ExplodingTensor"], rules=rules)
    assert debugger.issues() == {}
    epoch(model, loss, optimizer, data, 32, debugger.mode)
    debugger.should_stop()

    assert list(debugger.issues()) == ["ExplodingTensor"]
    debugger.close()


def test_brain_floats_are_recorded_and_judged_like_others(tmp_path: Path) -> None:
    for whole in (False, True):
        base = tmp_path / str(whole)
        if whole:
            path = base / "input" / "config" / "debughookconfig.json"
            path.parent.mkdir(parents=True)
            asked = (
                {"CollectionName": "gradients"},
                {
                    "CollectionName": "relu_output",
                    "CollectionParameters": {"include_regex": ".*relu_output"},
                },
            )
            path.write_text(json.dumps({"LocalPath": "/x", "CollectionConfigurations": asked}))
        model, loss, optimizer, data = setup()
        rules: dict[str, dict[str, Any]] = {"VanishingGradient": {}, "DeadRelu": {}, "Overfit": {}}
        debugger = attach(model, loss, base, rules=rules)
        with torch.autocast("cpu", torch.bfloat16):
            epoch(model, loss, optimizer, data, 32, debugger.mode)
        assert set(debugger.close().values()) == {"NoIssuesFound"}, whole
        assert debugger.close().keys() == rules.keys()


def test_tensors_of_an_interrupted_attempt_are_kept_apart(tmp_path: Path) -> None:
    for _ in range(2):
        model, loss, optimizer, data = setup()
        debugger = attach(model, loss, tmp_path, rules={})
        epoch(model, loss, optimizer, data, 320, debugger.mode)
        debugger.close()

    steps = {
        name: len(list((tmp_path / "output" / name).glob("index/*/*.json")))
        for name in ("tensors", "tensors-1")
    }
    assert steps == {"tensors": 3, "tensors-1": 3}


def test_request_for_whole_tensors_gets_them_and_the_same_verdicts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "input" / "config" / "debughookconfig.json"
    path.parent.mkdir(parents=True)
    gradients = {
        "CollectionName": "gradients",
        "CollectionParameters": {"save_interval": "1", "eval.save_interval": "500"},
    }
    path.write_text(json.dumps({"LocalPath": "/x", "CollectionConfigurations": [gradients]}))
    torch.manual_seed(3)
    model, loss, data = linear(), nn.CrossEntropyLoss(), separable()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    rules: dict[str, dict[str, float]] = {
        "VanishingGradient": {"threshold": 1e9},
        "Overfit": {},
        "DeadRelu": {},
    }
    debugger = attach(model, loss, tmp_path, rules=rules)
    for _ in range(2):
        epoch(model, loss, optimizer, data, 64, debugger.mode)

    statuses = debugger.close()

    assert statuses == {
        "VanishingGradient": "IssuesFound",
        "Overfit": "NoIssuesFound",
        "DeadRelu": "NoIssuesFound",
    }
    assert "gradients: every 500 eval steps" in capfd.readouterr().err


def test_unknown_rule_is_refused(tmp_path: Path) -> None:
    model, loss, _, _ = setup()

    with pytest.raises(ValueError, match=r"'Overfitting' is no rule; the rules are Vanishing"):
        attach(model, loss, tmp_path, stop_on=["Overfitting"])
