"""The training loop: it learns, stops, and goes on after an end as if there had been none."""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.training.small import LABELS, WIDTH, features, job, pretrained
from training.debugger import Earlier
from training.errors import JobError
from training.fit import checkpoint, loop
from training.fit.batches import Batch, FeatureBatches, order
from training.fit.checkpoint import Run
from training.fit.interruption import INTERRUPTED
from training.fit.loop import Job, fit
from training.network.heads import anchors, build_network
from training.options import Options
from training.workers import T, Workers

OPTIONS = Options(
    epochs=6, batch_size=8, lr=0.1, weight_decay=0.01, dropout=0.1, views=2, patience=99, seed=4
)


class Ending(FeatureBatches):
    """Has SIGTERM arrive, or raises, before a given batch of the whole run."""

    def __init__(self, at: int, ended_by: Exception | None = None) -> None:
        super().__init__(features(), OPTIONS.seed)
        self.at, self.ended_by = at, ended_by

    def train(self, epoch: int, positions: Sequence[torch.Tensor]) -> Iterator[Batch]:
        for batch in super().train(epoch, positions):
            self.at -= 1
            if self.at == 0:
                if self.ended_by:
                    raise self.ended_by
                signal.raise_signal(signal.SIGTERM)
            yield batch


def train(job: Job, source: FeatureBatches | None = None) -> Run:
    torch.manual_seed(0)
    network = build_network(pretrained(None), (WIDTH, 5, len(LABELS)), "head", job.options.dropout)
    anchored = anchors(network, head_is_pretrained=True)
    source = source or FeatureBatches(features(), job.options.seed)
    return fit(job, network, anchored, source, {"seed": job.options.seed})


def without_seconds(run: Run) -> list[tuple[float, ...]]:
    return [
        (r.epoch, r.train_loss, r.train_accuracy, r.validation_loss, r.validation_accuracy, r.lr)
        for r in run.history
    ]


def assert_same(run: Run, other: Run) -> None:
    """To the last bit."""
    assert without_seconds(run) == without_seconds(other)
    assert run.best is not None
    assert other.best is not None
    assert run.best.epoch == other.best.epoch
    assert run.best_weights.keys() == other.best_weights.keys()
    for name, tensor in run.best_weights.items():
        assert torch.equal(tensor, other.best_weights[name]), name


def test_training_learns_the_classes_and_keeps_the_best_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(job(tmp_path, OPTIONS))
    assert len(run.history) == OPTIONS.epochs
    assert run.best is not None
    assert run.best.validation_accuracy == max(r.validation_accuracy for r in run.history)
    assert run.best.validation_accuracy >= 0.8
    assert run.history[-1].train_loss < run.history[0].train_loss
    assert capsys.readouterr().out.count("validation:accuracy=") == OPTIONS.epochs


@pytest.mark.parametrize("at", [1, 2, 10, 14])  # seven steps an epoch
def test_run_that_sigterm_ends_goes_on_to_the_same_weights(
    at: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(job(tmp_path / "whole", OPTIONS))

    with pytest.raises(SystemExit) as ended:
        train(job(tmp_path / "parts", OPTIONS), Ending(at))
    assert ended.value.code == INTERRUPTED
    epoch, step = divmod(at, 7)
    assert f"SIGTERM: checkpoint at epoch {epoch + 1}, step {step}" in capsys.readouterr().out
    resumed = train(job(tmp_path / "parts", OPTIONS))

    assert f"goes on from a checkpoint: epoch {epoch + 1}, step {step}" in capsys.readouterr().out
    assert_same(resumed, whole)


def test_run_that_dies_in_mid_epoch_repeats_that_epoch_to_the_same_weights(tmp_path: Path) -> None:
    whole = train(job(tmp_path / "whole", OPTIONS))
    with pytest.raises(ZeroDivisionError):
        train(job(tmp_path / "parts", OPTIONS), Ending(17, ZeroDivisionError()))
    assert_same(train(job(tmp_path / "parts", OPTIONS)), whole)


def test_sigterm_outside_the_loop_ends_the_process_at_once(tmp_path: Path) -> None:
    job(tmp_path, OPTIONS)
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == INTERRUPTED


def test_checkpoint_of_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        train(job(tmp_path, OPTIONS), Ending(10))
    path = tmp_path / "checkpoints" / checkpoint.FILE
    before = path.read_bytes()
    other = replace(OPTIONS, seed=5)
    with pytest.raises(JobError, match="is of another run: its seed is 4, this job's is 5"):
        train(job(tmp_path, other))
    assert path.read_bytes() == before


def test_damaged_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / checkpoint.FILE
    path.parent.mkdir()
    path.write_bytes(b"half a checkpoint")
    with pytest.raises(JobError, match=r"checkpoint\.pt: not a checkpoint of this job"):
        train(job(tmp_path, OPTIONS))


def test_training_stops_when_it_no_longer_gets_better(tmp_path: Path) -> None:
    options = replace(OPTIONS, epochs=60, patience=3)
    run = train(job(tmp_path, options))
    assert len(run.history) < options.epochs
    assert run.best is not None
    assert len(run.history) == run.best.epoch + options.patience


def test_loss_that_is_no_number_ends_the_job_with_advice(tmp_path: Path) -> None:
    source = FeatureBatches(features(), OPTIONS.seed)
    source._train.views[:, 3] = float("nan")
    with pytest.raises(JobError, match=r"the loss became nan in epoch 1, step \d: lower --lr"):
        train(job(tmp_path, OPTIONS), source)


def test_every_epoch_sees_every_photo_once_in_another_order() -> None:
    first, second = (torch.cat(order(0, epoch, 50, 8)) for epoch in (1, 2))
    assert sorted(first.tolist()) == list(range(50))
    assert sorted(second.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()
    assert torch.equal(first, torch.cat(order(0, 1, 50, 16)))


def test_every_view_is_drawn() -> None:
    made = features(views=3)
    source = FeatureBatches(made, seed=0)
    rows = [row for x, _ in source.train(1, [torch.arange(50)]) for row in x]
    views = [
        (made.splits["train"].views[:, i] == row).all(1).nonzero().item()
        for i, row in enumerate(rows)
    ]
    assert set(views) == {0, 1, 2}


class Fired:
    """A debugger whose rule fires after some epochs; -1: when all are over."""

    enabled = True

    def __init__(self, epochs: int) -> None:
        self.left = epochs
        self.earlier = Earlier()
        self.closed = False

    def mode(self, name: str) -> None:
        pass

    def should_stop(self) -> str | None:
        self.left -= 1
        return None if self.left else "Overfit"

    def issues(self) -> dict[str, str]:
        return {}

    def close(self, report_dir: Path | None = None) -> dict[str, str]:
        self.closed = True
        return {"Overfit": "IssuesFound"}


def test_rule_that_fires_ends_the_training_with_the_best_epoch_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    debugger = Fired(epochs=3)
    monkeypatch.setattr(loop, "attach", lambda *_arguments, **_options: debugger)
    run = train(job(tmp_path, replace(OPTIONS, debug=True, stop_on=("Overfit",))))
    assert len(run.history) == 3
    assert run.best_weights
    assert debugger.closed
    assert run.stopped_by == "Overfit"
    assert run.too_late == []
    assert "stopped by the rule Overfit after epoch 3" in capsys.readouterr().out


def test_run_that_a_rule_stopped_trains_no_further_when_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a run that a rule stopped, and whose job was killed before it wrote its model
    options = replace(OPTIONS, debug=True, stop_on=("Overfit",))
    monkeypatch.setattr(loop, "attach", lambda *_arguments, **_options: Fired(epochs=3))
    stopped = train(job(tmp_path, options))
    capsys.readouterr()
    # WHEN the job starts again
    monkeypatch.setattr(loop, "attach", lambda *_arguments, **_options: Fired(epochs=-1))
    resumed = train(job(tmp_path, options))
    # THEN it has the same epochs and weights, and says what stopped it
    assert_same(resumed, stopped)
    assert (resumed.stopped_by, resumed.too_late) == ("Overfit", [])
    assert "stopped by the rule Overfit after epoch 3" in capsys.readouterr().out


def test_rule_that_fires_when_all_is_over_is_told_as_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop, "attach", lambda *_arguments, **_options: Fired(epochs=-1))
    run = train(job(tmp_path, replace(OPTIONS, debug=True, stop_on=("Overfit",))))
    assert len(run.history) == OPTIONS.epochs
    assert (run.stopped_by, run.too_late) == (None, ["Overfit"])
    assert "too late to stop: Overfit found issues" in capsys.readouterr().out


def test_debugger_of_a_resumed_run_hears_of_the_steps_and_rounds_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Earlier] = []

    def attach(*_arguments: object, earlier: Earlier, **_options: object) -> Fired:
        heard.append(earlier)
        return Fired(epochs=-1)

    monkeypatch.setattr(loop, "attach", attach)
    options = replace(OPTIONS, debug=True)
    with pytest.raises(SystemExit):
        train(job(tmp_path, options), Ending(2 * 7 + 4))  # seven train and three eval steps
    run = train(job(tmp_path, options))

    assert heard[0] == Earlier({"train": 0, "eval": 0}, [], {})
    assert heard[1].steps == {"train": 2 * 7 + 4, "eval": 2 * 3}
    first, second = run.history[:2]
    assert list(heard[1].rounds) == [
        (9, first.train_loss, first.validation_loss),
        (19, second.train_loss, second.validation_loss),
    ]


def test_issues_found_before_an_interruption_stay_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finding(Fired):
        def issues(self) -> dict[str, str]:
            return found

    monkeypatch.setattr(loop, "attach", lambda *_arguments, **_options: Finding(epochs=-1))
    found = {"Overfit": "at step 3"}
    options = replace(OPTIONS, debug=True)
    with pytest.raises(SystemExit):
        train(job(tmp_path, options), Ending(2 * 7 + 4))
    found = {"DeadRelu": "at step 9"}
    run = train(job(tmp_path, options))
    assert run.issues == {"Overfit": "at step 3", "DeadRelu": "at step 9"}


@pytest.mark.parametrize("unfreeze", ["head", "last-stage", "all"])
@pytest.mark.parametrize("asked", ["auto", "float32", "bf16"])
def test_debugging_changes_no_arithmetic(unfreeze: str, asked: str) -> None:
    options = replace(OPTIONS, unfreeze=unfreeze, precision=asked)  # type: ignore[arg-type]
    assert loop.precision(options) == loop.precision(replace(options, debug=True))


def test_too_few_photos_for_so_many_processes_are_refused_in_words(tmp_path: Path) -> None:
    alone = job(tmp_path, OPTIONS)
    with pytest.raises(JobError, match="50 training photos are too few for 51 processes"):
        train(replace(alone, workers=Many(0, 51)))


class Many(Workers):
    """One of many processes that agree on everything."""

    def agree(self, item: T) -> T:
        return item


def test_strong_pull_keeps_pretrained_weights_where_they_were(tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = build_network(pretrained(None), (WIDTH, 5, len(LABELS)), "head", 0.0).state_dict()
    free, held = (
        train(job(tmp_path / str(strength), replace(OPTIONS, weight_decay=strength)))
        for strength in (0.0, 1.0)
    )
    moved = [
        sum(float((run.best_weights[name] - tensor).norm()) for name, tensor in start.items())
        for run in (free, held)
    ]
    assert moved[1] < 0.75 * moved[0]
