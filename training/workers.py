"""The processes of one job: alone, or one of several started by torchrun (gloo, on CPUs).

They may be on one host or on several; SageMaker's toolkit starts torchrun on each of a job's hosts.
"""

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

# While one process writes a package or evaluates it, the others wait at their next exchange. With a
# trained backbone that is a pass over all photos, which takes as long as it takes. So they wait as
# long as SageMaker lets any job run; max_runtime_s ends this one sooner. An end of another process
# does not wait for this: its connections close.
_PATIENCE = timedelta(days=28)
# What a process sends at a time: an exchange of gigabytes needs little more memory than its result.
_PORTION_BYTES = 16 * 1024**2


def processes(environ: Mapping[str, str] = os.environ) -> int:
    """How many take part: torchrun sets WORLD_SIZE."""
    return int(environ.get("WORLD_SIZE", "1"))


def lost_another(error: RuntimeError) -> bool:
    """Whether an exchange failed because another process has ended; gloo has no class for that."""
    return "gloo/transport" in str(error)


@dataclass(frozen=True)
class Workers:
    """This process's rank among `count`; every method is free of cost when it is alone.

    The methods that exchange something must be called by all processes, in the same order.
    """

    rank: int = 0
    count: int = 1
    first_here: bool = True  # on its host: the process that writes what every host keeps

    @classmethod
    def join(cls, environ: Mapping[str, str] = os.environ) -> "Workers":
        """Meet the others if torchrun started this process (it sets RANK and LOCAL_RANK too)."""
        if processes(environ) == 1:
            return cls()
        interface = environ.get("SM_NETWORK_INTERFACE_NAME")
        if interface:  # or gloo takes the address of the host's own name, which may be 127.0.0.1
            os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
        dist.init_process_group("gloo", timeout=_PATIENCE)
        local_rank = int(environ.get("LOCAL_RANK", "0"))
        return cls(dist.get_rank(), dist.get_world_size(), local_rank == 0)

    @property
    def first(self) -> bool:
        """Whether this is the process that prints, and writes what the job leaves."""
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

    def least(self, numbers: torch.Tensor) -> torch.Tensor:
        """For each of the numbers, int64 (n,), the least that a process has in its place."""
        if self.count > 1:
            numbers = numbers.clone()
            dist.all_reduce(numbers, dist.ReduceOp.MIN)
        return numbers

    def fill(self, out: torch.Tensor, places: torch.Tensor) -> None:
        """Give the others this process's rows of `out` (n, width), and take theirs into it.

        Its own are those at the int64 `places` (m,), m >= 0; no two processes have one place.
        """
        if self.count == 1:
            return
        size = max(1, _PORTION_BYTES // (out.shape[1] * out.element_size()))
        sent = torch.tensor([-(-len(places) // size)])
        dist.all_reduce(sent, dist.ReduceOp.MAX)
        for start in range(0, int(sent) * size, size):
            here = places[start : start + size]
            # Every process sends as much as any: what is left over has no place.
            part = torch.full((size,), -1), out.new_zeros((size, out.shape[1]))
            part[0][: len(here)], part[1][: len(here)] = here, out[here]
            gathered = [[torch.empty_like(one) for _ in range(self.count)] for one in part]
            for into, one in zip(gathered, part, strict=True):
                dist.all_gather(into, one)
            for at, values in zip(*gathered, strict=True):
                out[at[at >= 0]] = values[at >= 0]

    def agree(self, item: T) -> T:
        """The first process's item, for all."""
        if self.count == 1:
            return item
        items = [item]
        dist.broadcast_object_list(items, src=0)
        return items[0]

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
