"""What processes exchange: between two of them, really."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing

from training import workers as module
from training.workers import Workers

ROWS = 7
WIDTH = 3


def exchange(rank: int, folder: Path) -> None:
    """One of two processes: it has every second row, and the first has one more."""
    module._PORTION_BYTES = 2 * WIDTH * 4  # two rows at a time
    dist.init_process_group(
        "gloo", f"file://{folder}/store", rank=rank, world_size=2, timeout=module._PATIENCE
    )
    workers = Workers(rank, 2)
    places = workers.share(torch.arange(ROWS))
    out = torch.zeros(ROWS, WIDTH)
    out[places] = places.unsqueeze(1).expand(-1, WIDTH).float()
    workers.fill(out, places)
    nothing = torch.zeros(2, WIDTH)
    mine = torch.tensor([1]) if rank else torch.empty(0, dtype=torch.int64)
    nothing[mine] = 5.0
    workers.fill(nothing, mine)
    least = workers.least(torch.tensor([rank, 2 - rank]))
    torch.save((out, nothing, least), folder / f"{rank}.pt")
    workers.leave()


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[torch.Tensor, ...]]:
    folder = tmp_path_factory.mktemp("two")
    torch.multiprocessing.spawn(exchange, (folder,), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def test_both_processes_have_all_rows_in_their_places(
    exchanged: list[tuple[torch.Tensor, ...]],
) -> None:
    for out, _, _ in exchanged:
        assert out.tolist() == [[float(row)] * WIDTH for row in range(ROWS)]


def test_process_without_rows_gets_those_of_the_other(
    exchanged: list[tuple[torch.Tensor, ...]],
) -> None:
    for _, filled, _ in exchanged:
        assert filled.tolist() == [[0.0] * WIDTH, [5.0] * WIDTH]


def test_least_number_of_all_is_known_to_all(exchanged: list[tuple[torch.Tensor, ...]]) -> None:
    for _, _, least in exchanged:
        assert least.tolist() == [0, 1]


def test_process_that_is_alone_has_all_rows_and_compares_by_itself() -> None:
    out, numbers = torch.tensor([[0.0], [4.0]]), torch.tensor([3])
    Workers().fill(out, torch.tensor([1]))
    assert out.tolist() == [[0.0], [4.0]]
    assert Workers().least(numbers).tolist() == [3]


def test_processes_wait_for_each_other_as_long_as_a_job_may_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a process that torchrun started as one of two
    asked: dict[str, Any] = {}
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **options: asked.update(options))
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    # WHEN it meets the other
    Workers.join({"WORLD_SIZE": "2", "RANK": "1"})
    # THEN no evaluation by the first, however long, ends its wait before SageMaker ends the job
    assert asked["timeout"] >= timedelta(days=28)
