"""Networks with random weights."""

from collections.abc import Iterable, Iterator

import torch
from torch import nn


def norms(network: nn.Module) -> Iterator[nn.BatchNorm2d]:
    """The network's batch norms."""
    return (one for one in network.modules() if isinstance(one, nn.BatchNorm2d))


@torch.no_grad()
def settle(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Let the batch norms know some pictures, as after training: (N, 3, H, W), normalised.

    Leaves the network in its training mode.
    """
    for norm in norms(network):
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all passes
    network.train()
    for batch in batches:
        network(batch)
