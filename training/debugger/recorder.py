"""The hook: measure what the rules need at every step, at a few per cent of the step's time.

Saving whole tensors costs a small head many times its step (gradients alone: a copy of the
parameters a step, through protobuf in Python). The rules need one number per tensor, so this
records numbers. Per step of the model, under smdebug's names:

- `<Loss>_output_0`: the loss (its mean, if it is not a scalar);
- gradients: mean of the absolute values (`abs_mean` of `gradient/<Model>_<parameter>`), read when
  an optimizer is about to use them, so after accumulation and clipping; of at most
  GRADIENT_VALUES values of a tensor, in evenly spaced slices;
- weights: L2 norm (`l2` of `<Model>_<parameter>`) before that update, every WEIGHTS_EVERY steps,
  because no rule needs it more often;
- ReLUs, in train mode: for each unit the share of its outputs that are not zero (`active` of
  `<Model>_<module>_relu_output_<call>`), as float32[units].

Only in the first FIRST_STEPS train steps, for PoorWeightInitialization:

- variance of each ReLU's input (`variance` of `..._relu_input_<call>`);
- distance from the 5th to the 95th percentile of each weight matrix' gradient (`spread` of
  `gradient/...`), of the same values.

Why samples: a head's step moves its parameters through memory some seven times, and is bound by
that; reading every gradient once more costs 15 % of the step. A NaN that the sample misses is in
the weights after the update and in the loss of the next step. Activations are bounded for
the same reason: the first images of a batch up to ACTIVATION_VALUES values a ReLU and step
(ResNet50's ReLU inputs at batch 32 are 1.23 GB a step).

Tensors stay on their device for FLUSH_STEPS steps or FLUSH_S seconds; one copy then brings all of
them to the writer's pipe.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from training.debugger.hook_config import Interval
from training.debugger.trial_files import FLOAT, reduction
from training.debugger.writer import HEADER, define

WEIGHTS_EVERY = 10
FIRST_STEPS = 10  # PoorWeightInitialization's default `steps`
GRADIENT_VALUES, SLICES = 1 << 14, 16
ACTIVATION_VALUES = 1 << 18
FLUSH_STEPS = 64
FLUSH_S = 0.5
RELUS = (nn.ReLU, nn.ReLU6)


@dataclass
class Step:
    """The measurements of one step: names and tensors, side by side."""

    mode: str
    number: int
    mode_step: int
    time_s: float
    names: list[str] = field(default_factory=list)
    values: list[torch.Tensor] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, value: torch.Tensor) -> None:
        """Add one tensor."""
        self.names.append(name)
        self.values.append(value)


class Recorder:
    """Hooks on a model and its loss; frames for `training.debugger.writer` go to `send`."""

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        intervals: Mapping[str, Interval],
        send: Callable[[bytes], None],
        done: Mapping[str, int] | None = None,
    ) -> None:
        """`done` counts the steps of each mode before the checkpoint that the run resumes from."""
        self.intervals, self.send = intervals, send
        self.prefix = type(model).__name__
        self.loss_name = f"{type(loss).__name__}_output_0"
        self.parameters = {
            f"{self.prefix}_{name}": parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self.gradient_names = {
            name: reduction("abs_mean", f"gradient/{name}") for name in self.parameters
        }
        self.weight_names = {name: reduction("l2", name) for name in self.parameters}
        self.relus = relus(model, self.prefix)
        self.closed = False
        self.current_mode = "train"
        self.mode_steps = {mode: (done or {}).get(mode, 0) - 1 for mode in intervals}
        self.number = sum((done or {}).values()) - 1
        self.sent: int | None = None  # the last step that was sent
        self.step: Step | None = None
        self.finished: list[Step] = []
        self.flushed_s = time.monotonic()
        self.kinds: dict[tuple[str, tuple[str, ...]], int] = {}
        self.lengths: list[int] = []  # bytes of a step of each kind
        self.units: dict[str, int] = {}
        self.ours: dict[int, bool] = {}  # id of an optimizer -> it trains one of our parameters
        self.handles: list[RemovableHandle] = [
            model.register_forward_pre_hook(self._begin),
            loss.register_forward_hook(self._loss),
            register_optimizer_step_pre_hook(self._before_update),
        ]
        for module in self.relus:
            self.handles.append(module.register_forward_hook(self._relu_output))
        self.first_handles = [
            module.register_forward_pre_hook(self._relu_input) for module in self.relus
        ]

    def collections(self) -> dict[str, dict[str, list[str]]]:
        """smdebug's collections of the recorded tensors."""
        biases = [name for name in self.parameters if name.endswith("bias")]
        return {
            "losses": {"tensor_names": [self.loss_name]},
            "gradients": {"tensor_names": [f"gradient/{name}" for name in self.parameters]},
            "weights": {"tensor_names": [name for name in self.parameters if name not in biases]},
            "biases": {"tensor_names": biases},
            "relu_input": {"include_regex": [".*relu_input"], "tensor_names": []},
            "relu_output": {"include_regex": [".*relu_output"], "tensor_names": []},
        }

    def mode(self, name: str) -> None:
        """Set the mode of the following forward passes."""
        self.current_mode = name

    def sync(self) -> int | None:
        """Send every step so far; returns the number of the last one sent, None before any."""
        if not self.closed:
            self._end()
            self.flush()
        return None if self.closed else self.sent

    def close(self) -> None:
        """Remove the hooks and send the remaining steps."""
        if not self.closed:
            self._end()
            self.flush()
            self._unhook()

    def _unhook(self) -> None:
        self.closed = True
        for handle in (*self.handles, *self.first_handles):
            handle.remove()

    def _begin(self, module: nn.Module, inputs: object) -> None:
        self._end()
        mode = self.current_mode
        self.number += 1
        self.mode_steps[mode] += 1
        step = self.mode_steps[mode]
        if mode == "train" and step >= FIRST_STEPS and self.first_handles:
            for handle in self.first_handles:
                handle.remove()
            self.first_handles.clear()
        if step in self.intervals[mode]:
            self.step = Step(mode, self.number, step, time.time())

    def _end(self) -> None:
        step, self.step = self.step, None
        if step is None or not step.values:
            return
        self.finished.append(step)
        late = time.monotonic() - self.flushed_s > FLUSH_S
        if late or len(self.finished) >= FLUSH_STEPS:
            self.flush()

    def _loss(self, module: nn.Module, inputs: object, output: object) -> None:
        if self.step is not None and isinstance(output, torch.Tensor):
            value = output.detach()
            self.step.add(self.loss_name, value.mean() if value.ndim else value)

    @torch.no_grad()
    def _before_update(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        step = self.step
        if step is None or not self._trains_ours(optimizer):
            return
        trained = [(n, p) for n, p in self.parameters.items() if p.grad is not None]
        for name, parameter in trained:
            gradient = parameter.grad
            assert gradient is not None  # chosen above  # noqa: S101
            values = sample(gradient)
            step.add(self.gradient_names[name], values.abs().mean(dtype=torch.float32))
            if step.mode_step < FIRST_STEPS and gradient.ndim > 1:
                step.add(reduction("spread", f"gradient/{name}"), spread(values))
        if step.mode_step % WEIGHTS_EVERY == 0:
            norms = torch._foreach_norm([parameter for _, parameter in trained], 2)
            for (name, _), norm in zip(trained, norms, strict=True):
                step.add(self.weight_names[name], norm)

    def _trains_ours(self, optimizer: Optimizer) -> bool:
        known = self.ours.get(id(optimizer))
        if known is None:
            ids = {id(parameter) for parameter in self.parameters.values()}
            groups = optimizer.param_groups
            known = any(id(p) in ids for group in groups for p in group["params"])
            self.ours[id(optimizer)] = known
        return known

    def _relu_name(self, step: Step, module: nn.Module, what: str) -> str:
        name = f"{self.relus[module]}_{what}"
        call = step.calls.get(name, 0)
        step.calls[name] = call + 1
        return f"{name}_{call}"

    @torch.no_grad()
    def _relu_input(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        # Before the ReLU, because one that works in place overwrites its input.
        step = self.step
        if step is not None and step.mode == "train" and inputs[0].requires_grad:
            name = self._relu_name(step, module, "input")
            value = first_items(inputs[0].detach()).float().var(correction=0)
            step.add(reduction("variance", name), value)

    @torch.no_grad()
    def _relu_output(self, module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        step = self.step
        # Without a gradient the unit is frozen: it cannot die in this job.
        if step is None or step.mode != "train" or not output.requires_grad:
            return
        name = self._relu_name(step, module, "output")
        value = active(first_items(output.detach()))
        if self.units.setdefault(name, value.numel()) == value.numel():
            step.add(reduction("active", name), value)

    def flush(self) -> None:
        """Send the finished steps."""
        self.flushed_s = time.monotonic()
        steps, self.finished = self.finished, []
        if not steps:
            return
        values = [value for step in steps for value in step.values]
        numbers = memoryview(joined(values).cpu().numpy().data).cast("B")
        frames: list[bytes | memoryview] = []
        start = 0
        for step in steps:
            key = (step.mode, tuple(step.names))
            if key not in self.kinds:
                self.kinds[key] = len(self.kinds)
                sizes = [(n, v.numel()) for n, v in zip(step.names, step.values, strict=True)]
                frames.append(define(self.kinds[key], step.mode, sizes))
                self.lengths.append(FLOAT * sum(size for _, size in sizes))
            kind = self.kinds[key]
            end = start + self.lengths[kind]
            frames.append(HEADER.pack(kind, step.number, step.mode_step, step.time_s, end - start))
            frames.append(numbers[start:end])
            start = end
        try:
            self.send(b"".join(frames))
            self.sent = steps[-1].number
        except OSError as error:
            self._unhook()
            print(
                f"[debugger] the writer has failed ({error}): nothing more is recorded, training "
                "continues; see its own message above",
                file=sys.stderr,
                flush=True,
            )


def relus(model: nn.Module, prefix: str) -> dict[nn.Module, str]:
    """Each ReLU module and its name, which ends in "relu": AWS's rules look for `.*relu_input`."""
    found: dict[nn.Module, str] = {}
    for path, module in model.named_modules():
        if isinstance(module, RELUS):
            name = f"{prefix}_{path}" if path else prefix
            found[module] = name if name.endswith("relu") else f"{name}_relu"
    return found


def joined(values: list[torch.Tensor]) -> torch.Tensor:
    """All values behind each other, float32[n]."""
    if all(value.ndim == 0 and value.dtype == torch.float32 for value in values):
        return torch.stack(values)  # the usual case, and cheaper
    return torch.cat([value.reshape(-1).float() for value in values])


def first_items(value: torch.Tensor) -> torch.Tensor:
    """The first items of a batch, as many as ACTIVATION_VALUES allows, at least one."""
    if value.ndim == 0 or value.numel() <= ACTIVATION_VALUES:
        return value
    return value[: max(1, ACTIVATION_VALUES * value.shape[0] // value.numel())]


def active(output: torch.Tensor) -> torch.Tensor:
    """Share of each unit's outputs above zero, float32[units].

    Units are columns of [batch, units], channels of [batch, channels, ...] images, and the last
    dimension of [batch, tokens, units].
    """
    if output.ndim == 1:
        return output.sign().float()
    unit = output.ndim - 1 if output.ndim == 3 else 1
    others = [dimension for dimension in range(output.ndim) if dimension != unit]
    return output.sign().mean(dim=others, dtype=torch.float32)


def sample(gradient: torch.Tensor) -> torch.Tensor:
    """All values, or GRADIENT_VALUES of them in SLICES evenly spaced slices."""
    count = gradient.numel()
    if count <= GRADIENT_VALUES:
        return gradient
    rows = gradient.reshape(-1)[: count - count % SLICES].view(SLICES, -1)
    return rows[:, : GRADIENT_VALUES // SLICES]


def spread(values: torch.Tensor) -> torch.Tensor:
    """95th minus 5th percentile, a scalar."""
    ends = torch.quantile(values.float(), torch.tensor([0.05, 0.95], device=values.device))
    return ends[1] - ends[0]
