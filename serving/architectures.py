"""The backbones as OpenVINO graphs, built straight from a package's weights.

Tensors have the names that timm and torchvision give them, so training (PyTorch) and serving share
one file of weights without sharing a framework: PyTorch takes seconds to start, and runs ResNet50
at two thirds and EfficientNet-Lite0 at a third of the speed (benchmarks/engines).

Sources: EfficientNet-Lite is described in Google's TPU repository (efficientnet/lite), on top of
Tan and Le 2019, arXiv:1905.11946; ResNet50 in He et al. 2015, arXiv:1512.03385, with a block's
stride in its 3x3 convolution as torchvision has it, or (v1) in its first one as they and Keras do.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from openvino import Node

from serving.layers import Convolution, Layers, Signal, add, max_pool, pooled, relu, relu6
from serving.weights import Weights

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
_RESNET_FEATURES = 2048


@dataclass(frozen=True)
class Architecture:
    """How to build a backbone: pictures (N, 3, H, W), normalised -> features (N, `features`).

    `build` takes weights, and whether convolutions multiply in int8 instead of float32.
    """

    features: int
    build: Callable[[Signal, Weights, bool], Node]


def _lite(width: float, depth: float) -> Architecture:
    def build(pictures: Signal, weights: Weights, int8: bool) -> Node:
        convolve = Layers(weights, _LITE_EPSILON, same_upper=True, int8=int8).convolve
        channels = _STEM
        x = relu6(convolve(pictures, Convolution("conv_stem", "bn1", 3, channels, 3, 2)))
        for number, (repeats, kernel, stride, expansion, base) in enumerate(_STAGES):
            outputs = _rounded(base * width)
            first_or_last = number in (0, len(_STAGES) - 1)
            for block in range(repeats if first_or_last else math.ceil(repeats * depth)):
                at, step = f"blocks.{number}.{block}", stride if block == 0 else 1
                entry, inner = x, channels * expansion
                # Without an expansion, timm's names of the norms start one lower.
                norm = 1
                if expansion > 1:
                    part = Convolution(f"{at}.conv_pw", f"{at}.bn1", channels, inner, 1)
                    x, norm = relu6(convolve(x, part)), 2
                part = Convolution(
                    f"{at}.conv_dw", f"{at}.bn{norm}", inner, inner, kernel, step, depthwise=True
                )
                x = relu6(convolve(x, part))
                last = "conv_pwl" if expansion > 1 else "conv_pw"
                x = convolve(
                    x, Convolution(f"{at}.{last}", f"{at}.bn{norm + 1}", inner, outputs, 1)
                )
                if step == 1 and channels == outputs:
                    x = add(x, entry)
                channels = outputs
        x = relu6(convolve(x, Convolution("conv_head", "bn2", channels, _LITE_FEATURES, 1)))
        return pooled(x)

    return Architecture(_LITE_FEATURES, build)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _resnet50(*, stride_first: bool) -> Architecture:
    """`stride_first`: a block's stride is in its first convolution, not the second."""

    def build(pictures: Signal, weights: Weights, int8: bool) -> Node:
        layers = Layers(weights, _RESNET_EPSILON, same_upper=False, int8=int8)
        convolve = layers.convolve
        x = relu(convolve(pictures, Convolution("conv1", "bn1", 3, 64, 7, 2)))
        x = max_pool(x)
        channels = 64
        for number, (blocks, stride, inner) in enumerate(_RESIDUAL_STAGES, 1):
            outputs = 4 * inner
            for block in range(blocks):
                at, step = f"layer{number}.{block}", stride if block == 0 else 1
                first, second = (step, 1) if stride_first else (1, step)
                x = entry = layers.rounded(x)
                x = relu(
                    convolve(x, Convolution(f"{at}.conv1", f"{at}.bn1", channels, inner, 1, first))
                )
                x = relu(
                    convolve(x, Convolution(f"{at}.conv2", f"{at}.bn2", inner, inner, 3, second))
                )
                x = convolve(x, Convolution(f"{at}.conv3", f"{at}.bn3", inner, outputs, 1))
                if block == 0:
                    down = f"{at}.downsample"
                    entry = convolve(
                        entry, Convolution(f"{down}.0", f"{down}.1", channels, outputs, 1, step)
                    )
                x = relu(add(layers.rounded(x), layers.rounded(entry)))
                channels = outputs
        return pooled(x)

    return Architecture(_RESNET_FEATURES, build)


ARCHITECTURES = {
    "efficientnet_lite0": _lite(1.0, 1.0),
    "efficientnet_lite1": _lite(1.0, 1.1),
    "efficientnet_lite2": _lite(1.1, 1.2),
    "resnet50": _resnet50(stride_first=False),
    "resnet50_v1": _resnet50(stride_first=True),
}
