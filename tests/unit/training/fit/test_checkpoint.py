"""What a checkpoint keeps, whose it is, and that a half-written one never takes its place."""

import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.unit.training.small import LABELS, WIDTH, features, job, pretrained
from training.errors import JobError
from training.fit import checkpoint
from training.fit.batches import FeatureBatches
from training.fit.checkpoint import FILE, EpochRecord, Run, discard, read, restore, save
from training.fit.loop import fit
from training.network.heads import build_network
from training.options import Options

IDENTITY = {"seed": 4, "views": [1, 2], "data": "d"}


def record(epoch: int, accuracy: float) -> EpochRecord:
    return EpochRecord(epoch, 1 / 3, 0.1, 2 / 7, accuracy, math.pi / 100, 1.5)


def parts() -> tuple[nn.Linear, torch.optim.Optimizer]:
    """A model and an optimiser that has momentum to lose."""
    torch.manual_seed(1)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture
def run() -> Run:
    """In the middle of the third epoch; the first was the best."""
    return Run(
        epoch=3,
        step=2,
        loss_sum=1 / 3,
        hits=4.0,
        seen=9.0,
        history=[record(1, 0.75), record(2, 0.5)],
        best=record(1, 0.75),
        best_weights={"weight": torch.tensor([1.0, 2.0])},
    )


@pytest.fixture
def kept(tmp_path: Path, run: Run) -> Path:
    """A folder with that run's checkpoint."""
    save(tmp_path / "c", IDENTITY, run, *parts())
    return tmp_path / "c"


def test_everything_comes_back_to_the_last_bit(kept: Path, run: Run) -> None:
    model, optimizer = nn.Linear(2, 1), None
    optimizer = torch.optim.SGD(model.parameters(), lr=9.0, momentum=0.9)
    expected, before = parts()

    found = restore(read(kept, IDENTITY), model, optimizer, first=True)

    assert asdict(found) | {"best_weights": 0} == asdict(run) | {"best_weights": 0}
    assert found.best == run.best
    assert found.best_weights["weight"].tolist() == [1.0, 2.0]
    assert torch.equal(model.weight, expected.weight)
    state, other = optimizer.state_dict(), before.state_dict()
    assert state["param_groups"] == other["param_groups"]
    momenta = [entry["momentum_buffer"] for entry in state["state"].values()]
    assert len(momenta) == 2
    for momentum, entry in zip(momenta, other["state"].values(), strict=True):
        assert torch.equal(momentum, entry["momentum_buffer"])


def test_run_without_an_epoch_so_far_comes_back(tmp_path: Path) -> None:
    model, optimizer = parts()
    save(tmp_path, {}, Run(step=3), model, optimizer)

    found = restore(read(tmp_path, {}), model, optimizer, first=True)

    assert (found.position, found.best, found.best_weights, found.history) == ((1, 3), None, {}, [])


def test_other_processes_leave_the_sums_so_far_to_the_first(kept: Path) -> None:
    found = restore(read(kept, IDENTITY), *parts(), first=False)

    assert (found.loss_sum, found.hits, found.seen) == (0.0, 0.0, 0.0)
    assert found.position == (3, 2)


def test_without_a_checkpoint_a_run_begins(tmp_path: Path) -> None:
    assert read(tmp_path, IDENTITY) is None
    assert restore(None, *parts(), first=True) == Run()


def test_resumed_training_that_gets_no_better_keeps_the_best_weights_of_before(
    tmp_path: Path,
) -> None:
    # GIVEN a checkpoint whose second epoch had every photo right
    options = Options(epochs=4, batch_size=8, lr=0.1, weight_decay=0.0, patience=99, seed=4)
    network = build_network(pretrained(None), (WIDTH, len(LABELS)), "head", 0.0)
    groups = [{"params": list(network.head.parameters())}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    best = record(2, 1.0)
    weights = {name: torch.full_like(v, 0.5) for name, v in network.state_dict().items()}
    before = Run(epoch=3, history=[record(1, 0.5), best], best=best, best_weights=weights)
    place = job(tmp_path, options)
    save(place.folders.checkpoints, {"seed": 4}, before, network, optimizer)
    # WHEN the training goes on from there
    source = FeatureBatches(features(), options.seed)
    found = fit(place, network, {}, source, {"seed": 4})
    # THEN it ends with that epoch's weights, not with any of its own
    assert [one.epoch for one in found.history] == [1, 2, 3, 4]
    assert found.best == best
    assert found.best_weights.keys() == weights.keys()
    for name, tensor in weights.items():
        assert torch.equal(found.best_weights[name], tensor)


def test_patience_goes_on_where_it_was(tmp_path: Path) -> None:
    options = Options(epochs=9, batch_size=8, lr=0.0, weight_decay=0.0, patience=3, seed=4)
    network = build_network(pretrained(None), (WIDTH, len(LABELS)), "head", 0.0)
    groups = [{"params": list(network.head.parameters())}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    best = record(1, 1.0)
    before = Run(epoch=3, history=[best, record(2, 0.5)], best=best)
    place = job(tmp_path, options)
    save(place.folders.checkpoints, {}, before, network, optimizer)

    found = fit(place, network, {}, FeatureBatches(features(), 4), {})

    assert [one.epoch for one in found.history] == [1, 2, 3, 4]


def test_half_a_checkpoint_never_takes_the_place_of_the_one_before(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (kept / FILE).read_bytes()

    def full(_: object, target: Any) -> None:
        if isinstance(target, Path):
            target.write_bytes(whole[:100])
        else:
            target.write(whole[:100])
            target.flush()
        assert (kept / FILE).read_bytes() == whole
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save(kept, IDENTITY, Run(epoch=9), *parts())

    assert (kept / FILE).read_bytes() == whole


def test_sagemaker_uploads_no_checkpoint_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a disk that fills up while a checkpoint is written
    def full(_: object, target: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    # WHEN the job ends there
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, IDENTITY, Run(), *parts())
    # THEN what it leaves has a name that SageMaker leaves where it is
    assert [path.suffix for path in tmp_path.iterdir()] == [".sagemaker-ignore"]


def test_checkpoint_is_on_the_disk_before_it_takes_that_place(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, synced = (kept / FILE).read_bytes(), list[int]()

    def fsync(number: int) -> None:
        assert (kept / FILE).read_bytes() == whole
        synced.append(os.fstat(number).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    save(kept, IDENTITY, Run(epoch=9), *parts())

    assert synced == [(kept / FILE).stat().st_size]


def test_new_checkpoint_replaces_the_one_before_and_leaves_nothing_else(kept: Path) -> None:
    save(kept, IDENTITY, Run(epoch=9), *parts())

    assert [path.name for path in kept.iterdir()] == [FILE]
    assert restore(read(kept, IDENTITY), *parts(), first=True).epoch == 9


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (IDENTITY | {"seed": 5}, "its seed is 4, this job's is 5"),
        (IDENTITY | {"views": [1]}, r"its views is \[1, 2\], this job's is \[1\]"),
        (IDENTITY | {"new": 1}, "its new is None, this job's is 1"),
        ({"seed": 4, "views": [1, 2]}, "its data is d, this job's is None"),
    ],
)
def test_checkpoint_of_a_run_that_differs_in_anything_is_refused(
    now: dict[str, object], message: str, kept: Path
) -> None:
    with pytest.raises(JobError, match=message):
        read(kept, now)


def test_order_of_names_and_kind_of_lists_make_no_other_run(kept: Path) -> None:
    assert read(kept, {"data": "d", "views": (1, 2), "seed": 4}) is not None


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path, _: path.write_bytes(path.read_bytes()[:-900]), id="cut off"),
        pytest.param(lambda path, _: path.write_bytes(b"no archive"), id="something else"),
        pytest.param(lambda path, c: torch.save(without(c, "identity"), path), id="no identity"),
        pytest.param(lambda path, c: torch.save(c | {"identity": "{"}, path), id="no JSON"),
        pytest.param(lambda path, c: torch.save(c | {"identity": "[]"}, path), id="a list"),
        pytest.param(lambda path, c: torch.save(c | {"progress": "[]"}, path), id="no progress"),
        pytest.param(lambda path, c: torch.save(c | {"identity": 5}, path), id="a number"),
        pytest.param(lambda path, _: path.write_bytes(b""), id="nothing"),
        pytest.param(lambda path, _: torch.save(Path("x"), path), id="a class of ours"),
    ],
)
def test_file_that_is_no_checkpoint_is_refused_by_its_name(damage: Any, kept: Path) -> None:
    damage(kept / FILE, torch.load(kept / FILE))
    with pytest.raises(
        JobError, match=r"(?s)checkpoint\.pt: not a checkpoint of this job: .*Delete it"
    ):
        read(kept, IDENTITY)


def test_checkpoint_that_cannot_be_opened_is_refused_by_its_name(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(JobError, match=r"not a checkpoint of this job: .*Input/output error"):
        read(kept, IDENTITY)


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_run(kept: Path, tmp_path: Path) -> None:
    torch.save({"identity": "{}", "evil": Evil(tmp_path / "ran")}, kept / FILE)
    with pytest.raises(JobError, match="not a checkpoint of this job"):
        read(kept, IDENTITY)
    assert not (tmp_path / "ran").exists()


def test_tensors_of_another_device_come_back_on_the_cpu(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []
    load = torch.load

    def noted(path: Path, **options: Any) -> Any:
        asked.append(options)
        return load(path, **options)

    monkeypatch.setattr(torch, "load", noted)
    read(kept, IDENTITY)
    assert asked == [{"map_location": "cpu", "weights_only": True}]


def test_checkpoint_of_a_complete_run_goes(kept: Path) -> None:
    discard(kept)
    assert list(kept.iterdir()) == []
    discard(kept)
    assert checkpoint.read(kept, IDENTITY) is None
