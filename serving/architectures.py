"""The backbones as OpenVINO graphs, built straight from a package's weights.

Tensors have the names that timm and torchvision give them, so training (PyTorch) and serving share
one file of weights without sharing a framework: PyTorch takes seconds to start, and runs ResNet50
at four fifths and EfficientNet-Lite0 at a third of the speed (benchmarks/engines). A batch norm
is folded into the convolution before it, which computes the same with less.

Sources: EfficientNet-Lite is described in Google's TPU repository (efficientnet/lite), on top of
Tan and Le 2019, arXiv:1905.11946; ResNet50 in He et al. 2015, arXiv:1512.03385, with the stride in
the 3x3 convolution as torchvision has it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from openvino import Node, Type
from openvino import opset13 as ops

Floats = NDArray[np.float32]

_LITE_EPSILON, _RESNET_EPSILON = 1e-3, 1e-5  # of the batch norms

# EfficientNet-Lite0's stages: blocks, kernel, stride of the first block, expansion, channels.
# The wider and deeper ones multiply blocks (but for the first and last stage) and channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _LITE_FEATURES = 32, 1280

# ResNet50's stages: blocks, stride of the first one, channels inside a block; 4 times as many leave
# it.
_RESIDUAL_STAGES = ((3, 1, 64), (4, 2, 128), (6, 2, 256), (3, 2, 512))


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


@dataclass(frozen=True)
class Architecture:
    """How to build a backbone: pictures (N, 3, H, W), normalised -> features (N, `features`)."""

    features: int
    build: Callable[[Node, Weights], Node]


@dataclass(frozen=True)
class _Convolution:
    """One convolution with its batch norm: names of the two, and what the graph must know."""

    name: str
    norm: str
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    depthwise: bool = False


def _lite(width: float, depth: float) -> Architecture:
    def build(pictures: Node, weights: Weights) -> Node:
        def convolve(x: Node, part: _Convolution) -> Node:
            # "Same" padding as TensorFlow has it: what is odd goes to the right and the bottom.
            return _convolve(x, part, weights, _LITE_EPSILON, "same_upper", 0)

        def relu6(x: Node) -> Node:
            return ops.clamp(x, 0.0, 6.0)

        channels = _STEM
        x = relu6(convolve(pictures, _Convolution("conv_stem", "bn1", 3, channels, 3, 2)))
        for number, (repeats, kernel, stride, expansion, base) in enumerate(_STAGES):
            outputs = _rounded(base * width)
            first_or_last = number in (0, len(_STAGES) - 1)
            for block in range(repeats if first_or_last else math.ceil(repeats * depth)):
                at, step = f"blocks.{number}.{block}", stride if block == 0 else 1
                entry, inner = x, channels * expansion
                # Without an expansion, timm's names of the norms start one lower.
                norm = 1
                if expansion > 1:
                    part = _Convolution(f"{at}.conv_pw", f"{at}.bn1", channels, inner, 1)
                    x, norm = relu6(convolve(x, part)), 2
                part = _Convolution(
                    f"{at}.conv_dw", f"{at}.bn{norm}", inner, inner, kernel, step, depthwise=True
                )
                x = relu6(convolve(x, part))
                last = "conv_pwl" if expansion > 1 else "conv_pw"
                x = convolve(
                    x, _Convolution(f"{at}.{last}", f"{at}.bn{norm + 1}", inner, outputs, 1)
                )
                if step == 1 and channels == outputs:
                    x = ops.add(x, entry)
                channels = outputs
        x = relu6(convolve(x, _Convolution("conv_head", "bn2", channels, _LITE_FEATURES, 1)))
        return _pooled(x)

    return Architecture(_LITE_FEATURES, build)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _resnet50(pictures: Node, weights: Weights) -> Node:
    def convolve(x: Node, part: _Convolution) -> Node:
        return _convolve(x, part, weights, _RESNET_EPSILON, "explicit", (part.kernel - 1) // 2)

    x = ops.relu(convolve(pictures, _Convolution("conv1", "bn1", 3, 64, 7, 2)))
    x = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    channels = 64
    for number, (blocks, stride, inner) in enumerate(_RESIDUAL_STAGES, 1):
        outputs = 4 * inner
        for block in range(blocks):
            at, step, entry = f"layer{number}.{block}", stride if block == 0 else 1, x
            x = ops.relu(convolve(x, _Convolution(f"{at}.conv1", f"{at}.bn1", channels, inner, 1)))
            x = ops.relu(
                convolve(x, _Convolution(f"{at}.conv2", f"{at}.bn2", inner, inner, 3, step))
            )
            x = convolve(x, _Convolution(f"{at}.conv3", f"{at}.bn3", inner, outputs, 1))
            if block == 0:
                down = f"{at}.downsample"
                entry = convolve(
                    entry, _Convolution(f"{down}.0", f"{down}.1", channels, outputs, 1, step)
                )
            x = ops.relu(ops.add(x, entry))
            channels = outputs
    return _pooled(x)


def _convolve(
    x: Node, part: _Convolution, weights: Weights, epsilon: float, auto_pad: str, padding: int
) -> Node:
    """Convolution and batch norm in one: kernel and bias scaled as the norm would scale them."""
    out, size = part.outputs, part.kernel
    fan_in = 1 if part.depthwise else part.inputs
    kernel = weights.take(f"{part.name}.weight", out, fan_in, size, size)
    gamma, beta, mean, variance = (
        weights.take(f"{part.norm}.{name}", out)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    weights.drop(f"{part.norm}.num_batches_tracked")
    scale = gamma / np.sqrt(variance + np.float32(epsilon))
    kernel = kernel * scale[:, None, None, None]
    bias = (beta - mean * scale)[None, :, None, None]
    strides, pads, dilations = [part.stride] * 2, [padding] * 2, [1, 1]
    if part.depthwise:
        grouped = ops.constant(kernel[:, None])
        y = ops.group_convolution(x, grouped, strides, pads, pads, dilations, auto_pad)
    else:
        y = ops.convolution(x, ops.constant(kernel), strides, pads, pads, dilations, auto_pad)
    return ops.add(y, ops.constant(bias))


def _pooled(x: Node) -> Node:
    """(N, C, H, W) -> (N, C): the mean over each picture."""
    return ops.reduce_mean(x, ops.constant([2, 3], Type.i64), keep_dims=False)


ARCHITECTURES = {
    "efficientnet_lite0": _lite(1.0, 1.0),
    "efficientnet_lite1": _lite(1.0, 1.1),
    "efficientnet_lite2": _lite(1.1, 1.2),
    "resnet50": Architecture(2048, _resnet50),
}
