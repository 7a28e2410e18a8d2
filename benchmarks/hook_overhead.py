"""What the debugger's hook costs: `.venv/job/bin/python -m benchmarks.hook_overhead`.

Trains the same model without a hook, with the recorder (our default collections, interval 1, the
writer and the rules' process running beside it) and with smdebug's own hook saving whole tensors of
the same collections at interval 1. The three take turns in one process, a block of steps each (a
tenth of that for smdebug's), and the medians of their step times are compared. What the writer and
the rules cost other processors is given too.

Cases: a head on cached features, whose step is about a millisecond, and backbones trained through
images; generated data. One thread: a head trains with one, and with more the figures would be
those of whatever else the machine does. Goal: recorder at most 1.15 times no hook.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
import torchvision
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn

from benchmarks.report import machine, write
from training.debugger import attach
from training.debugger.smdebug_bridge import WholeTensorHook

GOAL = 1.15
CLASSES = 120
SEED = 20261122
HOOKS = ("no hook", "recorder", "smdebug, whole tensors")
WHOLE = {
    "HookParameters": {"save_interval": "1"},
    "CollectionConfigurations": [
        {"CollectionName": "gradients", "CollectionParameters": {"save_interval": "1"}},
        {"CollectionName": "weights", "CollectionParameters": {"save_interval": "1"}},
        {
            "CollectionName": "relu_input",
            "CollectionParameters": {"include_regex": ".*relu.*_input", "train.end_step": "10"},
        },
    ],
}


@dataclass(frozen=True)
class Case:
    """A model and its batch; steps of a block, blocks for each hook."""

    name: str
    build: Callable[[], nn.Module]
    batch: tuple[int, ...]
    steps: int
    blocks: int


def linear() -> nn.Module:
    """The linear head on efficientnet_lite2's features."""
    return nn.Sequential(nn.Dropout(0.4), nn.Linear(1408, CLASSES))


def three_layer() -> nn.Module:
    """The three-layer head on ResNet50's features."""
    layers = [nn.Linear(2048, 516), nn.ReLU(), nn.Linear(516, 516), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(516, CLASSES))


def resnet50() -> nn.Module:
    """torchvision's, all of it trained."""
    model: nn.Module = torchvision.models.resnet50(num_classes=CLASSES)
    return model


def efficientnet_lite0() -> nn.Module:
    """timm's, all of it trained."""
    model: nn.Module = timm.create_model("efficientnet_lite0", num_classes=CLASSES)
    return model


CASES = (
    Case("linear head 1408, batch 32", linear, (32, 1408), 10, 60),
    Case("linear head 1408, batch 64", linear, (64, 1408), 10, 60),
    Case("three-layer head 2048, batch 32", three_layer, (32, 2048), 10, 30),
    Case("three-layer head 2048, batch 64", three_layer, (64, 2048), 10, 30),
    Case("efficientnet_lite0 224 px, batch 8", efficientnet_lite0, (8, 3, 224, 224), 1, 6),
    Case("resnet50 224 px, batch 8", resnet50, (8, 3, 224, 224), 1, 4),
)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hook_overhead")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    only: str = parser.parse_args().only
    cases = [case for case in CASES if only in case.name]
    load = os.getloadavg()[0]
    results = [measure(case) for case in track(cases, "hook overhead")]
    Console().print(table(results))
    if not only:
        result: dict[str, object] = {
            "command": "python -m benchmarks.hook_overhead",
            "goal_ratio": GOAL,
            "torch": torch.__version__,
            "load_average_before": round(load, 1),
            **machine(),
            "cases": results,
        }
        write("hook_overhead", result)
    return 0


def measure(case: Case) -> dict[str, object]:
    """Median step times of one case, in ms, and the ratios to no hook."""
    torch.set_num_threads(1)
    before_s = children_s()
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        # Whole tensors of ResNet50 are gigabytes within a few steps; the small cases show enough.
        hooks = HOOKS[:2] if case.build is resnet50 else HOOKS
        runs = {hook: training(case, hook, stack) for hook in hooks}
        for block in range(1 + case.blocks):
            for hook, step in runs.items():
                steps = case.steps if hook != HOOKS[2] else max(1, case.steps // 10)
                taken = [timed(step) for _ in range(steps)]
                times.setdefault(hook, []).extend(taken if block else [])  # the first warms up
    medians = {hook: 1000 * statistics.median(values) for hook, values in times.items()}
    steps = case.steps * (1 + case.blocks)
    return {
        "case": case.name,
        "steps": len(times[HOOKS[0]]),
        "step_ms": {hook: round(value, 3) for hook, value in medians.items()},
        "ratio": {hook: round(value / medians[HOOKS[0]], 3) for hook, value in medians.items()},
        "writer_and_rules_cpu_ms_a_step": round(1000 * (children_s() - before_s) / steps, 3),
    }


def training(case: Case, hook: str, stack: ExitStack) -> Callable[[], None]:
    """A model with its hook; calling what is returned does one step."""
    torch.manual_seed(SEED)
    model, loss = case.build(), nn.CrossEntropyLoss(label_smoothing=0.1)
    # As training/fit/loop.py: a dear optimizer would make the hook look cheap.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    inputs, labels = torch.randn(case.batch), torch.randint(0, CLASSES, case.batch[:1])
    base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    if hook == HOOKS[1]:
        debugger = attach(model, loss, base)
        debugger.mode("train")
        stack.callback(debugger.close)
    elif hook == HOOKS[2]:  # without rules, which would take long to read whole tensors
        stack.callback(WholeTensorHook(WHOLE, base / "tensors", model, loss).close)

    def step() -> None:
        # Kept, not freed: whether malloc returns 4 MB gradients to the system differs from model to
        # model by chance, and by more (1.7x) than any hook.
        optimizer.zero_grad(set_to_none=False)
        loss(model(inputs), labels).backward()
        optimizer.step()

    return step


def timed(step: Callable[[], None]) -> float:
    """Seconds that one step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def children_s() -> float:
    """Processor seconds of the ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def table(results: list[dict[str, object]]) -> Table:
    """One row a case."""
    view = Table(title=f"Step time by hook, interval 1 (goal: recorder at most {GOAL})")
    view.add_column("case")
    for hook in HOOKS:
        view.add_column(f"{hook}\nms", justify="right")
        view.add_column("ratio", justify="right")
    for result in results:
        step_ms, ratio = result["step_ms"], result["ratio"]
        assert isinstance(step_ms, dict)
        assert isinstance(ratio, dict)
        cells = [(f"{step_ms[hook]:.2f}", f"{ratio[hook]:.2f}") for hook in step_ms]
        view.add_row(str(result["case"]), *(text for pair in cells for text in pair))
    return view


if __name__ == "__main__":
    sys.exit(main())
