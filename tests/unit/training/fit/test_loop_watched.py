"""What the loop tells the profiler and the debugger, and how it shares with other processes."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from tests.unit.training.small import LABELS, WIDTH, features, job, pretrained
from training.fit import checkpoint, loop
from training.fit.batches import Batch, FeatureBatches, order
from training.fit.checkpoint import Run
from training.fit.loop import Job, fit
from training.network.heads import Network, anchors, build_network
from training.options import Options
from training.profiler import Profiler
from training.workers import Workers

# 50 photos in batches of 3: seventeen steps, of which thirteen are enough for the operators.
OPTIONS = Options(epochs=2, batch_size=3, lr=0.1, weight_decay=0.0, patience=99, seed=4)


class Noting:
    """Stands in for the profiler, and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def phase(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def step(self, mode: str, epoch: int, step: int, batch_size: int) -> None:
        self.told.append((mode, epoch, step, batch_size))

    @contextmanager
    def operators(self) -> Iterator[None]:
        self.told.append(("operators",))
        yield
        self.told.append(("no operators",))


class Debugger:
    """Stands in for the debugger, and notes what it is told."""

    enabled = True

    def __init__(self) -> None:
        self.told: list[object] = []

    def mode(self, name: str) -> None:
        self.told.append(name)

    def should_stop(self) -> str | None:
        return None

    def issues(self) -> dict[str, str]:
        return {}

    def close(self, report_dir: Path | None = None) -> dict[str, str]:
        self.told.append(report_dir)
        return {}


def network() -> Network:
    torch.manual_seed(0)
    return build_network(pretrained(None), (WIDTH, len(LABELS)), "head", 0.0)


def train(place: Job, source: FeatureBatches | None = None) -> Run:
    net = network()
    return fit(place, net, anchors(net, True), source or FeatureBatches(features(), 4), {})


def test_profiler_hears_of_every_step_and_of_the_operators_of_a_few(tmp_path: Path) -> None:
    profiler = Noting()
    train(replace(job(tmp_path, OPTIONS), profiler=cast(Profiler, profiler)))

    sizes, plain = [3] * 16 + [2], [3] * 6 + [2]
    evaluation = [[("eval", e, n, size) for n, size in enumerate(plain, 1)] for e in (1, 2)]
    steps = [[("train", e, n, size) for n, size in enumerate(sizes, 1)] for e in (1, 2)]
    first = [*steps[0][:3], ("operators",), *steps[0][3:13], ("no operators",), *steps[0][13:]]
    assert profiler.told == [*first, *evaluation[0], *steps[1], *evaluation[1]]


def test_debugger_hears_of_each_mode_and_is_closed_with_the_jobs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debugger, asked = Debugger(), list[tuple[object, ...]]()

    def attach(model: nn.Module, loss: nn.Module, base: Path, **options: Any) -> Debugger:
        asked.append((type(model), type(loss), base, options["stop_on"]))
        return debugger

    monkeypatch.setattr(loop, "attach", attach)
    place = job(tmp_path, replace(OPTIONS, debug=True, stop_on=("Overfit",)))
    train(place)

    assert asked == [(Network, nn.CrossEntropyLoss, tmp_path, ("Overfit",))]
    assert debugger.told == ["train", "eval", "train", "eval", place.folders.output]


def test_debugger_is_closed_and_sigterm_ends_the_process_also_after_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debugger = Debugger()
    monkeypatch.setattr(loop, "attach", lambda *_, **__: debugger)
    source = FeatureBatches(features(), 4)
    source._train.views[:] = float("nan")

    with pytest.raises(loop.JobError):
        train(job(tmp_path, replace(OPTIONS, debug=True)), source)

    assert isinstance(debugger.told[-1], Path)
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)


def test_epochs_go_through_the_photos_in_their_own_order(tmp_path: Path) -> None:
    seen: list[list[list[int]]] = []

    class Seen(FeatureBatches):
        def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
            seen.append([batch.tolist() for batch in positions])
            return super().train(epoch, positions)

    train(job(tmp_path, OPTIONS), Seen(features(), 4))

    expected = [[b.tolist() for b in order(4, epoch, 50, 3)] for epoch in (1, 2)]
    assert seen == expected


@pytest.mark.parametrize(("unfreeze", "threads"), [("head", 1), ("all", None)])
def test_head_alone_is_trained_on_one_thread(
    unfreeze: str, threads: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)

    train(job(tmp_path, replace(OPTIONS, unfreeze=unfreeze, epochs=1)))

    assert asked == ([] if threads is None else [threads])


class Two(Workers):
    """The first of two processes; the other one's sums are the same, and it does the same."""

    def agree(self, item: Any) -> Any:
        return item

    def total(self, *values: float) -> list[float]:
        return [2 * value for value in values]

    def wrap(self, model: nn.Module) -> nn.Module:
        return model


class Sharing(Two):
    """One of several processes that do not wait for each other."""

    def total(self, *values: float) -> list[float]:
        return list(values)


def test_checkpoint_of_several_processes_holds_their_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_S", -1.0)  # after every step
    sums: dict[type[Workers], list[tuple[float, float, float]]] = {Two: [], Sharing: []}
    for kind, kept in sums.items():

        def save(_folder: Path, _whose: object, run: Run, *_: object) -> None:
            kept.append((run.loss_sum, run.hits, run.seen))  # noqa: B023 - called in this turn

        monkeypatch.setattr(checkpoint, "save", save)
        options = replace(OPTIONS, epochs=1)
        train(replace(job(tmp_path / kind.__name__, options), workers=kind(0, 2)))

    assert sums[Two] == [tuple(2 * number for number in own) for own in sums[Sharing]]
    # Sixteen batches of three, of which this process has two, and one of two.
    assert [seen for _, _, seen in sums[Sharing]] == [*range(2, 33, 2), 0]


def test_last_batch_that_is_too_small_for_all_processes_is_left_out(tmp_path: Path) -> None:
    seen: list[int] = []

    class Seen(FeatureBatches):
        def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
            seen.extend(len(batch) for batch in positions)
            return super().train(epoch, positions)

    for count in (2, 3):
        options = replace(OPTIONS, epochs=1)
        place = replace(job(tmp_path / str(count), options), workers=Two(0, count))
        train(place, Seen(features(), 4))

    # The last batch has two photos: enough for two processes, not for three.
    assert seen == [2] * 16 + [1] + [1] * 16


def test_share_of_a_batch_weighs_as_much_as_its_photos(tmp_path: Path) -> None:
    """Two processes' mean of gradients is the gradient of the whole batch."""
    gradients: dict[tuple[int, int], torch.Tensor] = {}
    batch = order(4, 1, 50, 50)[0]

    for rank, count in ((0, 1), (0, 3), (1, 3), (2, 3)):
        net = network()
        options = replace(OPTIONS, epochs=1, lr=1.0, batch_size=50, label_smoothing=0.0)
        place = replace(job(tmp_path / f"{rank}{count}", options), workers=Sharing(rank, count))
        (weight, _) = net.head.parameters()
        start = weight.detach().clone()
        fit(place, net, {}, FeatureBatches(features(views=1), 4), {})
        gradients[rank, count] = (start - weight.detach()) / 1.9

    assert len(batch) == 50
    mean = sum(gradients[rank, 3] for rank in range(3)) / 3
    assert isinstance(mean, torch.Tensor)
    assert torch.allclose(mean, gradients[0, 1], atol=1e-6)


def test_late_verdicts_are_those_of_the_rules_that_may_stop(tmp_path: Path) -> None:
    run, place = Run(), job(tmp_path, replace(OPTIONS, stop_on=("Overfit", "Overtraining")))
    statuses: Mapping[str, str] = {
        "Overfit": "NoIssuesFound",
        "Overtraining": "IssuesFound",
        "DeadRelu": "IssuesFound",
    }

    loop.note_late(place, run, statuses)

    assert run.too_late == ["Overtraining"]
