"""The processes of one job: alone, or one of several started by torchrun (gloo, on CPUs)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")
Items = TypeVar("Items", Sequence[int], torch.Tensor)

# Rows are exchanged in pieces of this size, so that an exchange needs no second copy of them all.
_PIECE_BYTES = 32 * 1024**2
_FLOAT_BYTES = 4

# While one process writes a package or evaluates it, the others wait at their next exchange.
_PATIENCE = timedelta(hours=2)


def processes(environ: Mapping[str, str] = os.environ) -> int:
    """How many take part: torchrun sets WORLD_SIZE."""
    return int(environ.get("WORLD_SIZE", "1"))


@dataclass(frozen=True)
class Workers:
    """This process's rank among `count`; every method is free of cost when it is alone.

    The methods that exchange something must be called by all processes, in the same order.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls, environ: Mapping[str, str] = os.environ) -> "Workers":
        """Meet the others if torchrun started this process (it sets RANK too)."""
        if processes(environ) == 1:
            return cls()
        dist.init_process_group("gloo", timeout=_PATIENCE)
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def share(self, items: Items) -> Items:
        """This process's part of `items`: every count-th, from its rank on."""
        part: Items = items[self.rank :: self.count]
        return part

    def gather(self, item: T) -> list[T]:
        """Every process's item, by rank."""
        if self.count == 1:
            return [item]
        items: list[T | None] = [None] * self.count
        dist.all_gather_object(items, item)
        return [item for item in items if item is not None]

    def agree(self, item: T) -> T:
        """The first process's item, for all."""
        if self.count == 1:
            return item
        items = [item]
        dist.broadcast_object_list(items, src=0)
        return items[0]

    def gather_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Every process's rows, by rank: float32 (n, width) -> (sum of n, width).

        Processes may have different n; the width does not count where n is 0.
        """
        if self.count == 1:
            return rows
        shapes = self.gather((len(rows), rows.shape[-1] if len(rows) else 0))
        lengths, width = [length for length, _ in shapes], max(width for _, width in shapes)
        whole: list[list[torch.Tensor]] = [[] for _ in shapes]
        at_once = max(1, _PIECE_BYTES // (_FLOAT_BYTES * max(1, width)))
        for start in range(0, max(lengths), at_once):
            sizes = [min(at_once, max(0, length - start)) for length in lengths]
            mine = torch.zeros(max(sizes), width)
            if sizes[self.rank]:
                mine[: sizes[self.rank]] = rows[start : start + sizes[self.rank]]
            pieces = [torch.empty_like(mine) for _ in sizes]
            dist.all_gather(pieces, mine)
            for kept, piece, size in zip(whole, pieces, sizes, strict=True):
                kept.append(piece[:size])
        return torch.cat([piece for pieces in whole for piece in pieces])

    def copy(self, tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        """The first process's float32 tensor of this shape, for all; of the others' nothing."""
        if self.count == 1:
            return tensor
        flat = (tensor if self.first else torch.empty(*shape)).contiguous().view(-1)
        for piece in flat.split(_PIECE_BYTES // _FLOAT_BYTES):
            dist.broadcast(piece, src=0)
        return flat.view(*shape)

    def total(self, *values: float) -> list[float]:
        """The sum of each value over all processes, in float64."""
        if self.count == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model to train: with gradients averaged over the processes when there are several."""
        return model if self.count == 1 else DistributedDataParallel(model)

    def leave(self) -> None:
        """Part from the others."""
        if self.count > 1:
            dist.destroy_process_group()
