"""A package's tensors, handed out by name while a graph is built from them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class WeightsError(ValueError):
    """A tensor is missing, superfluous, or has another shape or type than the architecture's."""


class Weights:
    """Named tensors, each taken once; what nobody takes does not belong to the architecture."""

    def __init__(self, tensors: Mapping[str, Floats], prefix: str = "") -> None:
        self._left = dict(tensors)
        self._prefix = prefix

    def under(self, prefix: str) -> "Weights":
        """The same tensors, for a part of the model whose names all start with `prefix`."""
        part = Weights({}, self._prefix + prefix)
        part._left = self._left
        return part

    def take(self, name: str, *shape: int) -> Floats:
        """A float32 tensor of this shape; raises WeightsError."""
        name = self._prefix + name
        if name not in self._left:
            raise WeightsError(f"tensor {name} is missing")
        tensor = self._left.pop(name)
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise WeightsError(
                f"tensor {name} is {tensor.shape} {tensor.dtype}, the manifest's model has {shape} "
                "float32"
            )
        return tensor

    def drop(self, name: str) -> None:
        """Leave out a tensor that only training uses."""
        self._left.pop(self._prefix + name, None)

    def check_all_taken(self) -> None:
        """Raise WeightsError for a tensor that is left."""
        for name in sorted(self._left):
            raise WeightsError(f"tensor {name} does not belong to this architecture")
