"""A package's tensors, handed out by name while a graph is built from them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

Floats = NDArray[np.float32]

FLOAT32 = "F32"  # as the safetensors format calls it


class WeightsError(ValueError):
    """A tensor is missing, superfluous, or has another shape or type than the architecture's."""


def read_tensors(content: bytes) -> dict[str, Floats]:
    """A safetensors file's float32 tensors, by name; raises WeightsError.

    For any other type (bfloat16, float8, ..., most of which numpy does not even have), and for a
    value that is not finite: comparisons with it would go anywhere.
    """
    try:
        found = deserialize(content)
    except SafetensorError as error:
        raise WeightsError(f"not a safetensors file: {error}") from error
    tensors: dict[str, Floats] = {}
    for name, tensor in found:
        if _counts_steps(name):
            continue
        if tensor["dtype"] != FLOAT32:
            raise WeightsError(f"tensor {name} is {tensor['dtype']}, only float32 (F32) is served")
        values = np.frombuffer(tensor["data"], np.float32).reshape(tensor["shape"])
        if not np.isfinite(values).all():
            raise WeightsError(f"tensor {name} holds values that are not finite numbers")
        tensors[name] = values
    return tensors


class Weights:
    """Named tensors, each taken once; what nobody takes does not belong to the architecture."""

    def __init__(self, tensors: Mapping[str, Floats], prefix: str = "") -> None:
        self._left = {name: one for name, one in tensors.items() if not _counts_steps(name)}
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

    def check_all_taken(self) -> None:
        """Raise WeightsError for a tensor that is left."""
        for name in sorted(self._left):
            raise WeightsError(f"tensor {name} does not belong to this architecture")


def _counts_steps(name: str) -> bool:
    """Whether it is a batch norm's count of training steps, an int64 that only training uses."""
    return name.endswith(".num_batches_tracked")
