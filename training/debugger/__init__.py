"""Record what debugger rules need at every training step, and evaluate the rules during the job.

README.md shows how a training script uses it. Importing this imports neither torch nor smdebug.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.debugger.interface import RULES, Debugger, Earlier

if TYPE_CHECKING:
    from torch import nn

__all__ = ["RULES", "Debugger", "Earlier", "attach"]


def attach(
    model: "nn.Module",
    loss: "nn.Module",
    base_dir: Path,
    *,
    enabled: bool = True,
    stop_on: Sequence[str] = (),
    rules: Mapping[str, Mapping[str, Any]] | None = None,
    earlier: Earlier | None = None,
) -> Debugger:
    """Hook `model` and `loss`, and start the rules in a process of their own.

    Where smdebug is missing or does not import, this prints one message on stderr and returns a
    Debugger that does nothing, and training continues. In a distributed run only rank 0 is hooked.

    Args:
        model: The module that is called once a step (the head alone, when features are cached).
            Parameters that do not require gradients are not recorded.
        loss: The loss, a module called as `loss(output, target)`.
        base_dir: SageMaker's /opt/ml. Reads input/config/debughookconfig.json if the request had a
            DebugHookConfig; writes output/tensors and output/rules/<rule>.json.
        enabled: False returns a Debugger that does nothing.
        stop_on: Rules that `should_stop` reports.
        rules: Rules to evaluate, each with the parameters that differ from its defaults, such as
            `{"Overfit": {"patience": 3}}`. None: all of RULES with their defaults.
        earlier: The steps and findings before the checkpoint that the run resumes from.

    Raises:
        ValueError: a rule of `stop_on` or `rules` is not one of RULES.
    """
    from training.debugger.session import NoDebugger, start  # imports torch

    if not enabled:
        return NoDebugger({})
    chosen = {name: {} for name in RULES} if rules is None else rules
    return start(model, loss, base_dir, tuple(stop_on), chosen, earlier or Earlier())
