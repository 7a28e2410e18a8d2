"""Watch a training run: record what rules need at every step, evaluate the rules while it runs.

The training script meets the debugger at these lines, and at no others:

    debugger = attach(model, loss, base_dir, stop_on=("ExplodingTensor",))
    for epoch in range(epochs):
        debugger.mode("train")
        ...                            # the loop: loss(model(x), y), backward(), optimizer.step()
        debugger.mode("eval")
        ...
        if rule := debugger.should_stop():
            break
    statuses = debugger.close(report_dir)       # before the model is exported

Nothing here imports torch or smdebug at import time: the launchers, which have neither, import
`training.debugger.managed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from torch import nn

Mode = Literal["train", "eval", "predict"]
RULES = (
    "VanishingGradient",
    "Overfit",
    "Overtraining",
    "PoorWeightInitialization",
    "LossNotDecreasing",
    "ExplodingTensor",
    "DeadRelu",
)


@dataclass(frozen=True)
class Earlier:
    """What earlier attempts at this run have done, where it goes on from a checkpoint.

    `steps` are those of each mode; `rounds` are (last global step, mean training loss, mean
    validation loss) of each round, in practice of each epoch; `issues` are what rules found, by
    rule.
    """

    steps: Mapping[str, int] = field(default_factory=dict)
    rounds: Sequence[tuple[int, float, float]] = ()
    issues: Mapping[str, str] = field(default_factory=dict)


class Debugger(Protocol):
    """The hook of one training process and the process that evaluates the rules."""

    @property
    def enabled(self) -> bool:
        """Whether steps are being recorded."""

    def mode(self, name: Mode) -> None:
        """Say what the following forward passes are; call it where `model.train()` is called."""

    def should_stop(self) -> str | None:
        """Name of a rule of `stop_on` that found issues, else None.

        Waits (bounded) until the rules have seen every step so far; ask once an epoch.
        """

    def issues(self) -> dict[str, str]:
        """What the rules have found so far, by rule: for a checkpoint."""

    def close(self, report_dir: Path | None = None) -> dict[str, str]:
        """Take the hook off, wait (bounded) for the rules, return rule -> RuleEvaluationStatus.

        With `report_dir`, each rule's final `<rule>.json` is copied to `report_dir/rules/`. Call it
        before the model is exported. A second call returns the same statuses.
        """


def attach(
    model: "nn.Module",
    loss: "nn.Module",
    base_dir: Path,
    *,
    stop_on: Sequence[str] = (),
    rules: Mapping[str, Mapping[str, Any]] | None = None,
    earlier: Earlier | None = None,
) -> Debugger:
    """Hook `model` and `loss`, and start the rules in a process of their own.

    Without smdebug, or with one that does not import, this says so once on stderr and returns a
    Debugger that does nothing (`enabled` False): training goes on. In a distributed run only rank 0
    is hooked; the others get a Debugger that does nothing.

    Args:
        model: Whatever is called once a step (the head alone, when features are cached). Parameters
            that do not require gradients are not recorded.
        loss: The loss, a module called as `loss(output, target)`.
        base_dir: SageMaker's /opt/ml. Reads input/config/debughookconfig.json if the request had a
            DebugHookConfig; writes output/tensors and output/rules/<rule>.json.
        stop_on: Rules that `should_stop` reports.
        rules: Rules to evaluate, each with the parameters that differ from its defaults (say
            `{"Overfit": {"patience": 3}}`). None: all of RULES with their defaults.
        earlier: Where the run goes on from a checkpoint; None: it begins.

    Raises:
        ValueError: a rule of `stop_on` or `rules` is not one of RULES.
    """
    from training.debugger.session import start  # torch comes with it

    chosen = {name: {} for name in RULES} if rules is None else rules
    return start(model, loss, base_dir, tuple(stop_on), chosen, earlier or Earlier())
