"""The training loop: epochs of steps, validation, early stopping, checkpoints."""

import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from serving.network import fastest_float
from serving.settings import FloatPrecision
from training.debugger import Debugger, Earlier, attach
from training.errors import JobError
from training.fit import checkpoint
from training.fit.batches import Batch, Source, order
from training.fit.checkpoint import EpochRecord, Run, seeded
from training.fit.interruption import INTERRUPTED, Interruption
from training.metric_lines import epoch_line
from training.network.heads import Anchors, Network
from training.options import Folders, Options
from training.profiler import Profiler
from training.workers import Workers

# SGD with Nesterov's momentum: with `pull`, every rate of a tuner's usual 0.001 to 0.1 works.
MOMENTUM = 0.9

# Each parameter group's learning rate as a share of the schedule's: the head's, and that of a
# backbone that is trained, which starts nearly right.
GROUP_RATES = (1.0, 0.1)

# A checkpoint is written after every epoch, and within one when the last is this old.
CHECKPOINT_S = 60.0

# Steps of the first epoch in which the profiler looks into PyTorch's operators.
OPERATORS_FROM, OPERATORS_TO = 3, 13

_DROPOUT = 3  # what a generator is for; training.fit.batches has 1 and 2


@dataclass(frozen=True)
class Job:
    """What every part of the job needs."""

    options: Options
    folders: Folders
    workers: Workers
    profiler: Profiler
    interruption: Interruption

    def say(self, message: str) -> None:
        """Print, once for all processes."""
        if self.workers.first:
            print(message, flush=True)


@dataclass
class Loop:
    """The parts of the training loop; `run` and `saved_s` change with it."""

    network: Network
    model: nn.Module  # the network, in a distributed run with its gradients averaged
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    anchors: Anchors
    source: Source
    debugger: Debugger
    identity: dict[str, object]
    run: Run
    saved_s: float = field(default_factory=time.monotonic)


def fit(
    job: Job,
    network: Network,
    anchored: Anchors,
    source: Source,
    identity: dict[str, object],
) -> Run:
    """Train until the last epoch, or until it no longer gets better, or a rule stops it."""
    options, folders, workers = job.options, job.folders, job.workers
    loss = nn.CrossEntropyLoss(label_smoothing=options.label_smoothing)
    # Its learning rates are set before every step, by set_rate.
    optimizer = torch.optim.SGD(parameter_groups(network), momentum=MOMENTUM, nesterov=True)
    found = checkpoint.read(folders.checkpoints, identity) if workers.first else None
    run = checkpoint.restore(workers.agree(found), network, optimizer, first=workers.first)
    if run.position != (1, 0):
        job.say(f"goes on from a checkpoint: epoch {run.epoch}, step {run.step}")
    if not train_batches(job, source, run.epoch):
        raise JobError(
            f"{source.n_train} training photos are too few for {workers.count} processes: every "
            "process needs one of each batch"
        )
    debugger = attach(
        network,
        loss,
        folders.base,
        enabled=options.debug,
        stop_on=options.stop_on,
        earlier=earlier(job, run, source),
    )
    model = workers.wrap(network)
    loop = Loop(network, model, loss, optimizer, anchored, source, debugger, identity, run)
    if options.frozen:
        torch.set_num_threads(1)  # a head's matrices are too small to share out
    job.interruption.in_loop = True
    try:
        train(job, loop)
    finally:
        job.interruption.in_loop = False
        statuses = debugger.close(folders.output)
    note_late(job, run, statuses)
    return run


def note_late(job: Job, run: Run, statuses: Mapping[str, str]) -> None:
    """Rules that would have stopped the training, and came to it when it was over: say so."""
    late = [rule for rule in job.options.stop_on if statuses.get(rule) == "IssuesFound"]
    if late and run.stopped_by is None:
        run.too_late = late
        job.say(f"too late to stop: {', '.join(late)} found issues when the training was over")


def train(job: Job, loop: Loop) -> None:
    """Epochs until the last one, until it no longer gets better, or until a rule stops it."""
    options, run = job.options, loop.run
    while (
        run.stopped_by is None
        and run.epoch <= options.epochs
        and run.epochs_without_gain < options.patience
    ):
        train_epoch(job, loop)
        # Before the checkpoint: a run that goes on from it has stopped as well.
        run.stopped_by = job.workers.agree(loop.debugger.should_stop())
        save(job, loop)
    if run.stopped_by:
        job.say(f"stopped by the rule {run.stopped_by} after epoch {run.epoch - 1}")


def earlier(job: Job, run: Run, source: Source) -> Earlier:
    """What the debugger of this process saw before the checkpoint that the run goes on from."""
    epoch = {
        "train": len(train_batches(job, source, run.epoch)),
        "eval": math.ceil(source.n_valid / job.options.batch_size),
    }
    done = len(run.history)
    steps = {mode: done * count for mode, count in epoch.items()}
    steps["train"] += run.step
    rounds = [
        (record.epoch * sum(epoch.values()) - 1, record.train_loss, record.validation_loss)
        for record in run.history
    ]
    return Earlier(steps, rounds, run.issues)


def parameter_groups(network: Network) -> list[dict[str, list[nn.Parameter]]]:
    """The parameters that learn: the head's, then the backbone's, as in GROUP_RATES."""
    groups = [{"params": list(network.head.parameters())}]
    if network.backbone:
        groups.append({"params": [p for p in network.backbone.parameters() if p.requires_grad]})
    return groups


def train_epoch(job: Job, loop: Loop) -> None:
    """The rest of the current epoch, then the validation."""
    options, workers, profiler, run = job.options, job.workers, job.profiler, loop.run
    started, rate = time.monotonic(), 0.0
    batches = train_batches(job, loop.source, run.epoch)
    loop.debugger.mode("train")
    loop.model.train()
    mine = [workers.share(batch) for batch in batches[run.step :]]
    with ExitStack() as watched:
        for inputs, labels in timed(profiler, loop.source.train(run.epoch, mine)):
            if (run.epoch, run.step) == (1, OPERATORS_FROM):
                watched.enter_context(profiler.operators())
            done = (run.epoch - 1 + run.step / len(batches)) / options.epochs
            rate = set_rate(loop.optimizer, options.lr * 0.5 * (1 + math.cos(math.pi * done)))
            train_step(job, loop, inputs, labels, len(batches[run.step]))
            if (run.epoch, run.step) == (1, OPERATORS_TO):
                watched.close()
            if run.step < len(batches):
                save_if_due(job, loop)
    loss_sum, hits, seen = workers.total(run.loss_sum, run.hits, run.seen)
    seconds = time.monotonic() - started
    record = EpochRecord(
        run.epoch, loss_sum / seen, hits / seen, *validate(job, loop), rate, seconds
    )  # fmt: skip
    run.end_epoch(record, loop.network)
    job.say(epoch_line(*record.line))


def train_batches(job: Job, source: Source, epoch: int) -> list[torch.Tensor]:
    """The epoch's batches of positions; a last one too small for all processes is left out."""
    batches = order(job.options.seed, epoch, source.n_train, job.options.batch_size)
    return [batch for batch in batches if len(batch) >= job.workers.count]


def train_step(
    job: Job, loop: Loop, inputs: torch.Tensor, labels: torch.Tensor, batch_size: int
) -> None:
    """One step on this process's share of a batch."""
    options, workers, profiler, run = job.options, job.workers, job.profiler, loop.run
    draw = seeded(options.seed, _DROPOUT, run.epoch, run.step, workers.rank)
    torch.default_generator.manual_seed(draw.initial_seed())
    with profiler.phase("forward"), arithmetic(options):
        logits = loop.model(inputs)
        loss = loop.loss(logits, labels)
    with profiler.phase("backward"):
        loop.optimizer.zero_grad()
        # The processes' gradients are averaged, though their shares may differ by one photo.
        (loss * (len(labels) * workers.count / batch_size)).backward()
    with profiler.phase("optimizer"):
        loop.optimizer.step()
        pull(loop.optimizer, loop.anchors, options.weight_decay)
    run.add_step(loss.item(), count_hits(logits, labels), len(labels))
    if not math.isfinite(run.loss_sum):
        where = f"epoch {run.epoch}, step {run.step}"
        raise JobError(f"the loss became {loss.item()} in {where}: lower --lr")
    profiler.step("train", run.epoch, run.step, len(labels))


@torch.no_grad()
def validate(job: Job, loop: Loop) -> tuple[float, float]:
    """Mean loss and accuracy on the validation photos; each process answers for its share."""
    loop.debugger.mode("eval")
    loop.network.eval()
    batches = torch.arange(loop.source.n_valid).split(job.options.batch_size)
    mine = [share for batch in batches if len(share := job.workers.share(batch))]
    loss_sum, hits, seen = 0.0, 0.0, 0
    with job.profiler.phase("eval"):
        for step, (inputs, labels) in enumerate(loop.source.valid(mine), start=1):
            with arithmetic(job.options):
                logits = loop.network(inputs)
                loss_sum += float(loop.loss(logits, labels)) * len(labels)
            hits += count_hits(logits, labels)
            seen += len(labels)
            job.profiler.step("eval", loop.run.epoch, step, len(labels))
    loss_sum, hits, total = job.workers.total(loss_sum, hits, seen)
    return loss_sum / total, hits / total


def save_if_due(job: Job, loop: Loop) -> None:
    """In mid-epoch: a checkpoint from time to time, and one before SIGTERM ends the process."""
    late = time.monotonic() - loop.saved_s > CHECKPOINT_S
    stop, due = job.workers.total(job.interruption.asked, late)
    if stop or due:
        save(job, loop)


def save(job: Job, loop: Loop) -> None:
    """Write a checkpoint; ends the process if SIGTERM asked for it."""
    stop = sum(job.workers.total(job.interruption.asked))
    sums = job.workers.total(loop.run.loss_sum, loop.run.hits, loop.run.seen)
    if job.workers.first:
        loop.run.issues |= loop.debugger.issues()
        whole = replace(loop.run, loss_sum=sums[0], hits=sums[1], seen=sums[2])
        with job.profiler.phase("checkpoint"):
            checkpoint.save(
                job.folders.checkpoints, loop.identity, whole, loop.network, loop.optimizer
            )
    loop.saved_s = time.monotonic()
    if stop:
        job.say(f"SIGTERM: checkpoint at epoch {loop.run.epoch}, step {loop.run.step}")
        sys.exit(INTERRUPTED)


def timed(profiler: Profiler, batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, with the time to get each charged to "data"."""
    while True:
        with profiler.phase("data"):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def arithmetic(options: Options) -> torch.autocast:
    """bf16 or float32 for the forward pass of a backbone that is trained."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision(options) == "bf16")


def precision(options: Options) -> FloatPrecision:
    """Of the training's own arithmetic.

    Measured with efficientnet_lite0, one thread of a CPU with avx512_bf16, a training step takes 11
    instead of 21 ms a photo for the last stage, but 84 instead of 62 for the whole backbone, since
    the gradients of depthwise convolutions have no fast bf16 kernel. So `auto` takes bf16 for the
    last stage only. A head alone is too small to gain. Whether the run is debugged plays no part: a
    search, whose trials are not, is for the job that is.
    """
    helps = options.unfreeze == "last-stage" and fastest_float() == "bf16"
    wanted = options.precision == "bf16" or (options.precision == "auto" and helps)
    return "bf16" if wanted and not options.frozen else "float32"


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> float:
    """Give each parameter group its share of the rate; returns `rate`."""
    for group, share in zip(optimizer.param_groups, GROUP_RATES, strict=False):
        group["lr"] = rate * share
    return rate


@torch.no_grad()
def pull(optimizer: torch.optim.Optimizer, anchors: Anchors, strength: float) -> None:
    """Move what was pretrained back towards where it started: by its rate times `strength`.

    This is L2-SP (Li et al., "Explicit inductive bias for transfer learning", 2018), decoupled from
    the gradient as AdamW decouples weight decay. With 0.3, rates from 0.003 to 0.1 end at the
    same accuracy on the dog photos; without it, a rate of 0.1 ends two points lower.
    """
    for group in optimizer.param_groups:
        share = min(1.0, group["lr"] * strength)
        for parameter in group["params"]:
            if parameter in anchors:
                parameter.lerp_(anchors[parameter], share)


def count_hits(logits: torch.Tensor, labels: torch.Tensor) -> int:
    """How many rows have their label first."""
    return int((logits.argmax(1) == labels).sum())
