"""What the backbones are made of, as OpenVINO nodes, in float32 or int8.

A batch norm is folded into the convolution before it, which computes the same with less. It also
tells, without a single photo, which values leave it: over the training data each channel has about
the mean `bias` and the standard deviation `weight`. So the step from float32 to int8 needs no
calibration, and no package has to carry its result (Nagel et al. 2019, arXiv:1906.04721, data-free
quantisation). Each convolution multiplies int8 by int8, and what it gives is float32 again. Before
it, channels and their weights are balanced: what makes a channel's values smaller makes its weights
larger, and neither is lost in the rounding of the others (Xiao et al. 2022, arXiv:2211.10438, with
an exponent of one half).
"""

from dataclasses import dataclass

import numpy as np
from openvino import Node, Type
from openvino import opset13 as ops

from serving.weights import Floats, Weights, WeightsError

# Values further from their mean than so many standard deviations are cut off. Nagel et al. have 6;
# 4 to 8 made no difference to the answers of the starter model.
REACH = 6.0


@dataclass(frozen=True)
class Signal:
    """Values (N, channels, height, width), and the bounds that they keep to: (channels,) each."""

    node: Node
    low: Floats
    high: Floats
    in_int8: bool = False


@dataclass(frozen=True)
class Convolution:
    """One convolution with its batch norm: names of the two, and what the graph must know."""

    name: str
    norm: str
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    depthwise: bool = False


@dataclass(frozen=True)
class Layers:
    """The layers of one backbone, with what all of its convolutions have in common."""

    weights: Weights
    epsilon: float  # of the batch norms
    same_upper: bool  # "same" padding as TensorFlow has it, what is odd to the right and the bottom
    int8: bool

    def convolve(self, x: Signal, part: Convolution) -> Signal:
        """Convolution and batch norm in one: its kernel and bias as the norm would scale them."""
        out, size = part.outputs, part.kernel
        fan_in = 1 if part.depthwise else part.inputs
        kernel = self.weights.take(f"{part.name}.weight", out, fan_in, size, size)
        gamma, beta, mean, variance = (
            self.weights.take(f"{part.norm}.{name}", out)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        if not (variance > -self.epsilon).all():
            raise WeightsError(f"{part.norm}.running_var holds a variance below zero")
        scale = gamma / np.sqrt(variance + np.float32(self.epsilon))
        kernel = kernel * scale[:, None, None, None]
        values, factors = _in_int8(x, kernel, part) if self.int8 else (x.node, ops.constant(kernel))
        pads = [0, 0] if self.same_upper else [(size - 1) // 2] * 2
        auto_pad = "same_upper" if self.same_upper else "explicit"
        strides, dilations = [part.stride] * 2, [1, 1]
        if part.depthwise:
            shape = ops.constant([out, 1, 1, size, size], Type.i64)
            grouped = ops.reshape(factors, shape, special_zero=False)
            y = ops.group_convolution(values, grouped, strides, pads, pads, dilations, auto_pad)
        else:
            y = ops.convolution(values, factors, strides, pads, pads, dilations, auto_pad)
        bias = (beta - mean * scale)[None, :, None, None]
        reach = np.float32(REACH) * np.abs(gamma)
        return Signal(ops.add(y, ops.constant(bias)), beta - reach, beta + reach)

    def rounded(self, x: Signal) -> Signal:
        """The values as 8-bit integers, for all that comes; as they are, in a float32 network.

        Less exact than what `convolve` does itself, since channels are not balanced, but also sums
        are read and written in bytes then.
        """
        if not self.int8 or x.in_int8:
            return x
        low, high = _bounds(x.low, x.high)
        return Signal(_rounded_to(x.node, low, high, low, high, 256), x.low, x.high, in_int8=True)


def relu(x: Signal) -> Signal:
    """No values below zero."""
    return Signal(ops.relu(x.node), np.maximum(x.low, 0), np.maximum(x.high, 0))


def relu6(x: Signal) -> Signal:
    """None above six either."""
    return Signal(ops.clamp(x.node, 0.0, 6.0), x.low.clip(0, 6), x.high.clip(0, 6))


def add(x: Signal, y: Signal) -> Signal:
    """The sum of two that have little to do with each other: their variances add."""
    middle = (x.low + x.high + y.low + y.high) / 2
    reach = np.hypot(x.high - x.low, y.high - y.low) / 2
    return Signal(ops.add(x.node, y.node), middle - reach, middle + reach)


def max_pool(x: Signal) -> Signal:
    """The largest of 3 x 3, every second one."""
    node = ops.max_pool(x.node, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    return Signal(node, x.low, x.high)


def pooled(x: Signal) -> Node:
    """(N, C, H, W) -> (N, C): the mean over each picture."""
    return ops.reduce_mean(x.node, ops.constant([2, 3], Type.i64), keep_dims=False)


def _in_int8(x: Signal, kernel: Floats, part: Convolution) -> tuple[Node, Node]:
    """The values and the kernel (outputs, inputs, size, size) as 8-bit integers would have them.

    FakeQuantize is how OpenVINO is told; it then multiplies integers.
    """
    values = x.node
    if not x.in_int8:
        furthest = _positive(np.maximum(-x.low, x.high))
        if part.depthwise:
            # Channels do not meet, so each may fill the range: its kernel has a scale of its own.
            balance = furthest
            kernel = kernel * balance[:, None, None, None]
        else:
            balance = np.sqrt(furthest / _positive(np.abs(kernel).max((0, 2, 3))))
            kernel = kernel * balance[:, None, None]
        low, high = _bounds(x.low / balance, x.high / balance)
        wide = balance[:, None, None]
        values = _rounded_to(x.node, low * wide, high * wide, low, high, 256)
    widest = _positive(np.abs(kernel).max((1, 2, 3), keepdims=True))
    return values, _rounded_to(ops.constant(kernel), -widest, widest, -widest, widest, 255)


def _bounds(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """One pair of bounds for all channels: from zero, or to both sides of it alike.

    Zero has to be one of the values: there is much of it.
    """
    furthest = _positive(np.maximum(-low.min(), high.max()))
    return (furthest * 0 if low.min() >= 0 else furthest * np.float32(-128 / 127)), furthest


def _rounded_to(
    x: Node, low: Floats, high: Floats, new_low: Floats, new_high: Floats, levels: int
) -> Node:
    bounds = [ops.constant(np.asarray(bound)) for bound in (low, high, new_low, new_high)]
    return ops.fake_quantize(x, *bounds, levels)


def _positive(widths: Floats) -> Floats:
    """Without zeros, which a channel that is switched off may have."""
    positive: Floats = np.maximum(widths, np.float32(1e-6) * max(widths.max(), np.float32(1)))
    return positive
