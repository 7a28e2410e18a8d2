"""For each rule a small training that must trigger it and one that must not.

Run as a script it prints the table: `.venv/job/bin/python -m tests.job.debugger.trainings`.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.debugger import attach
from training.debugger.status import read

SEED = 11
FEATURES, CLASSES = 20, 5


@dataclass(frozen=True)
class Data:
    """Training and validation samples, [n, FEATURES] float32, labels [n] int64."""

    x: torch.Tensor
    y: torch.Tensor
    validation_x: torch.Tensor
    validation_y: torch.Tensor


@dataclass(frozen=True)
class Training:
    """One run: what is trained, on what, how, and which rules look at it, with their defaults."""

    rules: str
    triggers: bool
    what: str
    model: Callable[[], nn.Module]
    data: Callable[[], Data]
    lr: float = 0.003
    epochs: int = 3
    batch: int = 32

    @property
    def expected(self) -> str:
        """The status that its rules must come to."""
        return "IssuesFound" if self.triggers else "NoIssuesFound"


def separable(count: int = 640, noise: float = 0.0) -> Data:
    """Classes that a linear layer tells apart, but for a share of labels at random."""
    truth = torch.randn(FEATURES, CLASSES)
    x = torch.randn(count + 320, FEATURES)
    y = (x @ truth).argmax(1)
    wrong = torch.rand(len(y)) < noise
    y[wrong] = torch.randint(0, CLASSES, (int(wrong.sum()),))
    return Data(x[:count], y[:count], x[count:], y[count:])


def few_random_labels() -> Data:
    """Nothing to learn but the samples themselves."""
    return separable(count=64, noise=1.0)


def noisy() -> Data:
    """Three labels in ten at random, so that there is a minimum to arrive at."""
    return separable(noise=0.3)


def mlp(activation: type[nn.Module] = nn.ReLU, depth: int = 2, width: int = 64) -> nn.Sequential:
    """`depth` hidden layers."""
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Linear(FEATURES if index == 0 else width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def deep_sigmoid() -> nn.Module:
    """Thirty sigmoid layers: each multiplies the gradient by a quarter at most."""
    return mlp(nn.Sigmoid, depth=30, width=16)


def started_badly() -> nn.Module:
    """Weights that grow the signal fivefold a layer."""
    model = mlp(depth=4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(12 if parameter.ndim > 1 else 0)
    return model


def started_well() -> nn.Module:
    """He initialisation."""
    model = mlp(depth=3)
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return model


def dead() -> nn.Module:
    """Biases so low that hardly any unit ever answers."""
    model = mlp()
    with torch.no_grad():
        first = model[0]
        assert isinstance(first, nn.Linear)
        first.bias.fill_(-20)
    return model


def linear() -> nn.Module:
    """One layer."""
    return nn.Linear(FEATURES, CLASSES)


def wide() -> nn.Module:
    """A net that learns samples by heart."""
    return mlp(width=256)


TRAININGS = (
    Training("VanishingGradient", True, "30 sigmoid layers", deep_sigmoid, separable, epochs=1),
    Training("Overfit", True, "64 samples, random labels", wide, few_random_labels, epochs=10),
    Training("Overfit", False, "one layer, 640 samples", linear, separable, lr=0.03),
    Training("Overtraining", True, "converged, 30 epochs", linear, noisy, lr=0.03, epochs=30),
    Training("Overtraining", False, "still learning, 12 epochs", linear, separable, epochs=12),
    Training("PoorWeightInitialization", True, "weights 12x too large", started_badly, separable),
    Training("PoorWeightInitialization", False, "He initialisation", started_well, separable),
    Training("LossNotDecreasing", True, "learning rate 0", mlp, separable, lr=0.0),
    Training("ExplodingTensor", True, "learning rate 1e18", mlp, separable, lr=1e18, epochs=1),
    Training("DeadRelu", True, "first biases -20", dead, separable, epochs=1),
    Training(
        "VanishingGradient LossNotDecreasing ExplodingTensor DeadRelu",
        False,
        "2 ReLU layers, learning rate 0.003",
        mlp,
        separable,
    ),
)


def run(training: Training, base: Path) -> dict[str, dict[str, Any]]:
    """Train; returns the rules' status files."""
    torch.manual_seed(SEED)
    data, model, loss = training.data(), training.model(), nn.CrossEntropyLoss()
    # Adam bounds its steps; what shall explode needs a plain one.
    kind = torch.optim.SGD if training.lr > 1 else torch.optim.Adam
    optimizer = kind(model.parameters(), lr=training.lr)
    debugger = attach(model, loss, base, rules={rule: {} for rule in training.rules.split()})
    for _ in range(training.epochs):
        epoch(model, loss, optimizer, data, training.batch, debugger.mode)
    debugger.close()
    return {rule: read(base / "output" / "rules", rule) or {} for rule in training.rules.split()}


def epoch(
    model: nn.Module,
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Data,
    batch: int,
    mode: Callable[[Any], None],
) -> None:
    """Train on every batch, then evaluate."""
    mode("train")
    model.train()
    for x, y in zip(data.x.split(batch), data.y.split(batch), strict=True):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    mode("eval")
    model.eval()
    with torch.no_grad():
        loss(model(data.validation_x), data.validation_y)


def main() -> int:
    """Print a Markdown table of what each training came to."""
    print("| rule | training | expected | status | details |\n|---|---|---|---|---|")
    wrong = 0
    for training in TRAININGS:
        with tempfile.TemporaryDirectory() as base:
            states = run(training, Path(base))
        for rule, state in states.items():
            wrong += state["RuleEvaluationStatus"] != training.expected
            cells = [rule, training.what, training.expected, state["RuleEvaluationStatus"]]
            print(f"| {' | '.join(cells)} | {state['StatusDetails']} |", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
