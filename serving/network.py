"""The two parts of a model compiled for this machine's CPU: the backbone, and the heads."""

from itertools import pairwise
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import Node
from openvino import opset13 as ops

from serving.architectures import ARCHITECTURES
from serving.layers import Signal
from serving.package import Manifest
from serving.preprocess import PreprocessSpec, normalisation
from serving.settings import FloatPrecision, Precision, cpu_count
from serving.weights import Floats, Weights

# Of what is not multiplied in int8 anyway.
_HINTS = {"float32": "f32", "bf16": "bf16", "int8": "f32"}

_CPU = Path("/proc/cpuinfo")
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})

_core = ov.Core()


def fastest_float() -> FloatPrecision:
    """bf16 where the CPU multiplies it itself (AMX, AVX-512 BF16), float32 everywhere else.

    Elsewhere bf16 would be emulated, and slower. For training, where rounding does no harm.
    """
    able = _core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in able else "float32"


def multiplies_int8() -> bool:
    """Whether the CPU adds up products of int8 in one instruction: x86 with VNNI or AMX, on Linux.

    Without it int8 gains little, and AVX2's instructions for it overflow in 16 bits.
    """
    try:
        text = _CPU.read_text(encoding="utf-8")
    except FileNotFoundError:  # no Linux
        return False
    return not _INT8_FLAGS.isdisjoint(text.split())


class Network:
    """A graph with one input, compiled; safe to call from several threads.

    It has as many lanes as threads: so many calls run at the same time, each on one CPU, and none
    waits for another in the middle of a network. That gets most done. A call that is alone may
    have all CPUs instead, which answers it soonest.
    """

    def __init__(
        self,
        inputs: Node,
        outputs: list[Node],
        threads: int,
        precision: Precision,
        *,
        pinned: bool = True,
    ) -> None:
        model = ov.Model([ops.result(output) for output in outputs], [inputs])
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            # A process with a part of the CPUs must leave the choice to the kernel: each such
            # process would pin its threads to the same first ones.
            "ENABLE_CPU_PINNING": pinned and threads >= cpu_count(),
        }
        # OpenVINO would otherwise leave out the second thread of each core.
        lanes = settings | {"NUM_STREAMS": threads, "ENABLE_HYPER_THREADING": True}
        self._lanes = _Requests(_core.compile_model(model, "CPU", lanes))
        self._alone = _Requests(_core.compile_model(model, "CPU", settings | {"NUM_STREAMS": 1}))

    def __call__(self, batch: NDArray[Any], *, alone: bool = False) -> list[Floats]:
        """The input (N, ...) -> the outputs, each (N, ...) and the caller's own."""
        request = (self._alone if alone else self._lanes).of_this_thread()
        found = request.infer([np.ascontiguousarray(batch)], share_inputs=True)
        return list(found.values())


class _Requests:
    """A compiled graph's inference requests: one a thread, since each serves one call at a time."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._compiled = compiled
        self._kept = local()

    def of_this_thread(self) -> ov.InferRequest:
        """The calling thread's own."""
        if not hasattr(self._kept, "request"):
            self._kept.request = self._compiled.create_infer_request()
        request: ov.InferRequest = self._kept.request
        return request


def backbone(
    name: str,
    weights: Weights,
    spec: PreprocessSpec,
    threads: int,
    precision: Precision,
    *,
    pinned: bool = True,
) -> Network:
    """uint8 (N, crop, crop, 3) as `pixels` makes them -> float32 (N, features).

    Each lane keeps to a CPU of its own (`pinned`), unless another network runs beside this one,
    whose lanes would keep to the same CPUs. Raises WeightsError for a tensor that is missing or has
    another shape.
    """
    pictures, features = graph(name, weights, spec, int8=precision == "int8")
    return Network(pictures, [features], threads, precision, pinned=pinned)


def graph(
    name: str, weights: Weights, spec: PreprocessSpec, *, int8: bool = False
) -> tuple[Node, Node]:
    """A backbone's entry and exit, as `backbone` compiles them."""
    pictures = ops.parameter([-1, spec.crop, spec.crop, 3], ov.Type.u8)
    # Channels first while they are bytes: three neighbours with a scale each are slow to multiply.
    planes = ops.transpose(pictures, ops.constant([0, 3, 1, 2], ov.Type.i64))
    scale, offset = normalisation(spec)
    scaled = ops.multiply(ops.convert(planes, "f32"), scale[:, None, None])
    normal = Signal(ops.add(scaled, offset[:, None, None]), offset, 255 * scale + offset)
    return pictures, ARCHITECTURES[name].build(normal, weights, int8)


def heads(manifest: Manifest, weights: Weights, threads: int, *, pinned: bool = True) -> Network:
    """float32 (N, features) -> logits (N, breeds), and dog probabilities (N,) if any.

    Always in float32: they cost nothing beside the backbone. Raises WeightsError as above.
    """
    width = manifest.head[0]
    features = ops.parameter([-1, width], ov.Type.f32)
    x: Node = features
    # Linear layers with ReLU between them, numbered as in torch's Sequential.
    for number, (before, after) in enumerate(pairwise(manifest.head)):
        x = _linear(ops.relu(x) if number else x, weights, f"head.{2 * number}", before, after)
    outputs = [x]
    score = manifest.dog_score
    if score is not None:
        classes = ops.softmax(_linear(features, weights, "dog_head", width, score.classes), 1)
        breeds = ops.constant(np.arange(score.first, score.last + 1))
        mass = ops.gather(classes, breeds, ops.constant(1))
        outputs.append(ops.reduce_sum(mass, ops.constant([1])))
    return Network(features, outputs, threads, "float32", pinned=pinned)


def _linear(x: Node, weights: Weights, name: str, inputs: int, outputs: int) -> Node:
    weight = ops.constant(weights.take(f"{name}.weight", outputs, inputs))
    bias = ops.constant(weights.take(f"{name}.bias", outputs)[None])
    return ops.add(ops.matmul(x, weight, False, True), bias)
