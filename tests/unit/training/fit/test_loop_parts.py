"""What a step of the training does: its rate, its arithmetic, its pull, and how it is counted."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.unit.training.small import LABELS, WIDTH, features, job, pretrained
from training.fit import checkpoint, loop
from training.fit.batches import Batch, FeatureBatches
from training.fit.checkpoint import EpochRecord, Run
from training.fit.interruption import INTERRUPTED
from training.fit.loop import (
    Job,
    arithmetic,
    count_hits,
    fit,
    parameter_groups,
    pull,
    set_rate,
)
from training.network.heads import Network, anchors, build_head, build_network
from training.options import Options

OPTIONS = Options(epochs=3, batch_size=8, lr=0.1, weight_decay=0.01, patience=99, seed=4)


class Watched(FeatureBatches):
    """Notes the learning rate before each batch but the first."""

    optimizer: torch.optim.Optimizer

    def __init__(self) -> None:
        super().__init__(features(), OPTIONS.seed)
        self.rates: list[float] = []

    def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        for index, batch in enumerate(super().train(epoch, positions)):
            if (epoch, index) != (1, 0):
                self.rates.append(self.optimizer.param_groups[0]["lr"])
            yield batch


def train(job: Job, source: FeatureBatches | None = None) -> Run:
    torch.manual_seed(0)
    network = build_network(pretrained(None), (WIDTH, len(LABELS)), "head", job.options.dropout)
    source = source or FeatureBatches(features(), job.options.seed)
    return fit(job, network, anchors(network, True), source, {"seed": job.options.seed})


def test_rate_falls_along_half_a_cosine_over_all_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, made = Watched(), torch.optim.SGD

    def build(groups: object, **options: object) -> torch.optim.SGD:
        assert options == {"momentum": 0.9, "nesterov": True}
        source.optimizer = made(groups, **options)  # type: ignore[arg-type]
        return source.optimizer

    monkeypatch.setattr(torch.optim, "SGD", build)
    run = train(job(tmp_path, OPTIONS), source)

    steps = OPTIONS.epochs * 7
    expected = [0.05 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]
    assert source.rates == pytest.approx(expected[:-1])
    assert [record.lr for record in run.history] == pytest.approx(expected[6::7])


def test_backbone_moves_at_a_tenth_of_the_heads_rate_and_frozen_layers_not_at_all() -> None:
    backbone = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, WIDTH))
    backbone[0].requires_grad_(False)
    network = Network(backbone, build_head((WIDTH, 3)), dropout=0.0)

    groups = parameter_groups(network)
    optimizer = torch.optim.SGD(groups, lr=1.0)

    assert set_rate(optimizer, 0.02) == 0.02
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.02, 0.002])
    assert groups[0]["params"] == [*network.head.parameters()]
    assert groups[1]["params"] == [*backbone[1].parameters()]
    assert len(parameter_groups(Network(None, build_head((WIDTH, 3)), 0.0))) == 1


@pytest.mark.parametrize(("rate", "strength", "share"), [(0.1, 0.5, 0.05), (2.0, 3.0, 1.0)])
def test_pull_moves_anchored_weights_by_rate_times_strength_and_no_others(
    rate: float, strength: float, share: float
) -> None:
    held, free = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([3.0]))
    optimizer = torch.optim.SGD([held, free], lr=rate)

    pull(optimizer, {held: torch.tensor([1.0])}, strength)

    assert held.item() == pytest.approx(3 - 2 * share)
    assert free.item() == 3


@pytest.mark.parametrize(
    ("changed", "cpu", "enabled"),
    [
        ({"unfreeze": "last-stage"}, "bf16", True),
        ({"unfreeze": "last-stage"}, "float32", False),
        ({"unfreeze": "all"}, "bf16", False),
        ({"unfreeze": "all", "precision": "bf16"}, "float32", True),
        ({"unfreeze": "last-stage", "precision": "float32"}, "bf16", False),
        ({"unfreeze": "head", "precision": "bf16"}, "bf16", False),
    ],
    ids=str,
)
def test_bf16_is_for_backbones_that_gain_by_it_or_when_asked_for(
    changed: dict[str, object], cpu: str, enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "fastest_float", lambda: cpu)

    context = arithmetic(replace(OPTIONS, **changed))  # type: ignore[arg-type]

    assert context._enabled is enabled
    assert (context.device, context.fast_dtype) == ("cpu", torch.bfloat16)


def test_hits_are_rows_whose_label_has_the_largest_logit() -> None:
    logits = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.4]])
    assert count_hits(logits, torch.tensor([1, 1, 1])) == 2


def test_figures_of_an_epoch_are_means_over_its_photos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = features()
    options = replace(OPTIONS, lr=0.0, weight_decay=0.0, epochs=1, batch_size=8)
    torch.manual_seed(0)
    network = build_network(pretrained(None), (WIDTH, len(LABELS)), "head", 0.0)
    source = FeatureBatches(made, options.seed)
    (drawn,) = source.train(1, [torch.arange(50)])

    run = fit(job(tmp_path, options), network, {}, source, {})

    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    valid = made.splits["valid"]
    with torch.no_grad():
        train_logits, valid_logits = network.head(drawn[0]), network.head(valid.views[0])
    (record,) = run.history
    assert record.epoch == 1
    assert record.train_loss == pytest.approx(float(loss(train_logits, drawn[1])), rel=1e-5)
    hits = (train_logits.argmax(1) == drawn[1]).float().mean()
    assert record.train_accuracy == pytest.approx(float(hits))
    assert record.validation_loss == pytest.approx(
        float(loss(valid_logits, valid.labels)), rel=1e-5
    )
    hits = (valid_logits.argmax(1) == valid.labels).float().mean()
    assert record.validation_accuracy == pytest.approx(float(hits))
    assert 0 <= record.seconds < 60
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith(f"epoch=1 train:loss={record.train_loss:.4f} ")


def test_dropout_is_for_training_alone(tmp_path: Path) -> None:
    without, all_dropped = (
        train(job(tmp_path / str(share), replace(OPTIONS, epochs=1, lr=0.0, dropout=share)))
        for share in (0.0, 0.9)
    )

    assert without.history[0].train_loss != all_dropped.history[0].train_loss
    assert without.history[0].validation_loss == all_dropped.history[0].validation_loss


def test_every_step_draws_its_dropout_anew_and_every_run_the_same(tmp_path: Path) -> None:
    options = replace(OPTIONS, lr=0.0, dropout=0.5, epochs=2, batch_size=50)
    one, same = (train(job(tmp_path / name, options)) for name in "ab")
    other = train(job(tmp_path / "c", replace(options, seed=5)))

    losses = [[record.train_loss for record in run.history] for run in (one, same, other)]
    assert losses[0] == losses[1]
    assert len({*losses[0], *losses[2]}) == 4


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds_a_step", "saved"), [(1, 1), (60, 1), (61, 7)])
def test_checkpoint_is_written_within_an_epoch_when_the_last_is_over_a_minute_old(
    seconds_a_step: float, saved: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, made, started = Clock(), loop.Loop, list[loop.Loop]()
    positions: list[tuple[int, int]] = []

    class Slow(FeatureBatches):
        def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
            for batch in super().train(epoch, positions):
                clock.now = started[0].saved_s + seconds_a_step
                yield batch

    def start(*parts: Any) -> loop.Loop:
        started.append(made(*parts))
        started[0].saved_s = clock.now = 1000.0
        return started[0]

    def save(_folder: Path, _whose: object, run: Run, *_: object) -> None:
        positions.append(run.position)

    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(loop, "Loop", start)
    monkeypatch.setattr(checkpoint, "save", save)
    train(job(tmp_path, replace(OPTIONS, epochs=1)), Slow(features(), 0))

    assert positions == [*((1, step) for step in range(1, saved)), (2, 0)]


def test_sigterm_before_an_epochs_last_step_is_answered_within_that_epoch(tmp_path: Path) -> None:
    asking = job(tmp_path, OPTIONS)

    class Asked(FeatureBatches):
        def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
            for index, batch in enumerate(super().train(epoch, positions)):
                asking.interruption.asked = index == 2
                yield batch

    with pytest.raises(SystemExit) as ended:
        train(asking, Asked(features(), OPTIONS.seed))

    assert ended.value.code == INTERRUPTED
    content = checkpoint.read(tmp_path / "checkpoints", {"seed": OPTIONS.seed})
    assert content is not None
    assert '"epoch": 1, "step": 3' in content["progress"]


def record(epoch: int, accuracy: float, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(epoch, 1.0, 0.5, loss, accuracy, 0.1, 1.0)


def test_better_is_more_right_then_a_lower_loss() -> None:
    best = record(1, 0.8, 1.0)
    assert record(2, 0.81, 9.0).better_than(best)
    assert record(2, 0.8, 0.9).better_than(best)
    assert not record(2, 0.8, 1.0).better_than(best)
    assert not record(2, 0.79, 0.1).better_than(best)
    assert best.better_than(None)


def test_run_counts_steps_by_their_photos_and_starts_each_epoch_anew() -> None:
    run, model = Run(), nn.Linear(1, 1)
    run.add_step(2.0, 3, 4)
    run.add_step(1.0, 1, 2)
    assert (run.position, run.loss_sum, run.hits, run.seen) == ((1, 2), 10.0, 4, 6)

    run.end_epoch(record(1, 0.5), model)

    assert (run.position, run.loss_sum, run.hits, run.seen) == ((2, 0), 0, 0, 0)


def test_run_keeps_a_copy_of_the_best_epochs_weights_and_counts_those_since() -> None:
    run, model = Run(), nn.Linear(1, 1)
    assert run.epochs_without_gain == 0
    run.end_epoch(record(1, 0.9), model)
    kept = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(1)
    run.end_epoch(record(2, 0.8), model)
    run.end_epoch(record(3, 0.9), model)

    assert run.best == record(1, 0.9)
    assert torch.equal(run.best_weights["weight"], kept)
    assert run.epochs_without_gain == 2


def test_generators_differ_by_each_of_their_numbers_and_repeat() -> None:
    draws = {
        float(torch.rand(1, generator=checkpoint.seeded(*numbers)))
        for numbers in ((1, 2, 3), (1, 2, 4), (1, 3, 3), (2, 2, 3), (1, 23), (12, 3), (1, 2, 3))
    }
    assert len(draws) == 6
