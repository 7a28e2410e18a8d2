"""What several processes exchange, in pieces that are smaller than the whole."""

import multiprocessing
from pathlib import Path
from unittest.mock import patch

import torch
import torch.distributed as dist

from training import workers
from training.workers import Workers

WIDTH = 3
LENGTHS = (5, 0, 2)
PIECE = 2 * WIDTH * 4  # bytes: two rows


def rows_of(rank: int) -> torch.Tensor:
    count = LENGTHS[rank]
    return torch.arange(count * WIDTH, dtype=torch.float32).view(count, WIDTH) + 100 * rank


def one_process(rank: int, folder: Path) -> None:
    """Exchange, and leave what came of it in a file."""
    where = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=where, rank=rank, world_size=len(LENGTHS))
    me = Workers(rank, len(LENGTHS))
    mine = rows_of(rank) if LENGTHS[rank] else torch.empty(0, 0)
    with patch.object(workers, "_PIECE_BYTES", PIECE):
        gathered = me.gather_rows(mine)
        copied = me.copy(rows_of(0) if me.first else torch.empty(0), (LENGTHS[0], WIDTH))
    torch.save((gathered, copied), folder / f"{rank}.pt")
    me.leave()


def test_rows_of_all_processes_come_by_rank_and_a_copy_is_the_first_ones(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    running = [
        spawn.Process(target=one_process, args=(rank, tmp_path)) for rank in range(len(LENGTHS))
    ]
    for process in running:
        process.start()
    for process in running:
        process.join(120)
        assert process.exitcode == 0
    for rank in range(len(LENGTHS)):
        gathered, copied = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert gathered.equal(torch.cat([rows_of(rank) for rank in range(len(LENGTHS))]))
        assert copied.equal(rows_of(0))


def test_process_that_is_alone_keeps_what_it_has() -> None:
    rows = rows_of(0)
    assert Workers().gather_rows(rows) is rows
    assert Workers().copy(rows, rows.shape) is rows
