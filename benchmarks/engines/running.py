"""The engines: each built from one of the files of benchmarks.engines.making, and measured."""

import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray

from benchmarks.engines.making import (
    INDUCTOR,
    ONNX,
    ONNX_INT8,
    OPENVINO_INT8,
    WEIGHTS,
    Pictures,
    load_network,
    load_weights,
    random_pictures,
    to_tensor,
)
from serving.network import Network, backbone
from serving.settings import Precision
from training.network.backbones import REGISTRY

PRECISIONS: dict[str, Precision | None] = {
    "float32": "float32",
    "bf16": "bf16",
    "int8, uncalibrated": "int8",
    "int8": None,  # NNCF's
}
BATCHES = (1, 4, 10, 32)
SECONDS_A_POINT = 0.3
LEAST_PASSES = 1  # after the one that sets up; a round is short, and there are several

Features = NDArray[np.float32]
Run = Callable[[Any], Features]
Built = tuple[Callable[[Pictures], Any], Run]  # pictures -> the engine's input, that -> features


@dataclass(frozen=True)
class Engine:
    """One way to run a backbone: `build` (backbone, threads, folder of made files)."""

    build: Callable[[str, int, Path], Built]
    file: str
    lanes: bool = False  # as many passes at a time as there are threads
    one_thread: bool = True  # whether it is measured with one thread, too


def eager(name: str, threads: int, made: Path, *, channels_last: bool, bf16: bool) -> Built:
    """PyTorch as it is."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = load_network(name, made).to(memory_format=layout)
    return _torch(network, name, threads, layout=layout, bf16=bf16)


def compiled(name: str, threads: int, made: Path) -> Built:
    """torch.compile, for each batch size as it comes: PyTorch makes some share a graph."""
    import torch._inductor.config as inductor

    # As an option of torch.compile it would come too late for Dynamo, which then freezes nothing.
    inductor.freezing = True
    network = load_network(name, made).to(memory_format=torch.channels_last)
    return _torch(torch.compile(network), name, threads)


def packaged(name: str, threads: int, made: Path) -> Built:
    """AOTInductor."""
    from torch._inductor import aoti_load_package

    return _torch(aoti_load_package(str(made / INDUCTOR)), name, threads)


def _torch(
    network: Callable[..., Any],
    name: str,
    threads: int,
    *,
    layout: torch.memory_format = torch.channels_last,
    bf16: bool = False,
) -> Built:
    torch.set_num_threads(threads)

    @torch.inference_mode()
    def run(batch: torch.Tensor) -> Features:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            features: torch.Tensor = network(batch)
        return features.float().numpy()

    return lambda pictures: to_tensor(pictures, name).contiguous(memory_format=layout), run


def onnxruntime(name: str, threads: int, made: Path, *, file: str, lanes: bool) -> Built:
    """ONNX Runtime; a session takes calls from several threads, and with lanes has none itself."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = 1 if lanes else threads
    session = InferenceSession(made / file, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name

    def run(batch: Features) -> Features:
        features: Features = session.run(None, {entry: batch})[0]
        return features

    return lambda pictures: to_tensor(pictures, name).contiguous().numpy(), run


def openvino(
    name: str, threads: int, made: Path, *, precision: Precision | None, lanes: bool
) -> Built:
    """serving.network, its backbone or (precision None) the one that NNCF quantised."""
    if precision:
        spec = REGISTRY[name].preprocess
        network = backbone(name, load_weights(made), spec, threads, precision)
    else:
        graph = ov.Core().read_model(made / OPENVINO_INT8)
        features = graph.get_results()[0].input_value(0)
        network = Network(graph.get_parameters()[0], [features], threads, "float32")
    return lambda pictures: pictures, lambda batch: network(batch, alone=not lanes)[0]


ENGINES = {
    "torch": Engine(partial(eager, channels_last=False, bf16=False), WEIGHTS, one_thread=False),
    "torch channels-last": Engine(partial(eager, channels_last=True, bf16=False), WEIGHTS),
    "torch channels-last bf16": Engine(partial(eager, channels_last=True, bf16=True), WEIGHTS),
    "torch.compile": Engine(compiled, WEIGHTS, one_thread=False),
    "AOTInductor": Engine(packaged, INDUCTOR),
}
for _lanes in (False, True):
    _suffix = ", lanes" if _lanes else ""
    # Lanes show the most that ONNX Runtime can do, which is with int8.
    for _kind, _file in (("float32", ONNX), ("int8", ONNX_INT8))[_lanes:]:
        ENGINES[f"onnxruntime {_kind}{_suffix}"] = Engine(
            partial(onnxruntime, file=_file, lanes=_lanes), _file, _lanes, one_thread=not _lanes
        )
    for _label, _precision in PRECISIONS.items():
        ENGINES[f"openvino {_label}{_suffix}"] = Engine(
            partial(openvino, precision=_precision, lanes=_lanes),
            WEIGHTS if _precision else OPENVINO_INT8,
            _lanes,
            one_thread=not _lanes,
        )
REFERENCE = "torch"


def measure(engine: str, name: str, threads: int, made: Path) -> dict[str, Any]:
    """One engine: {"load_s", "memory_mb", "ms": {batch: ms an image}}."""
    before = resident_mb()
    started = time.perf_counter()
    prepare, run = ENGINES[engine].build(name, threads, made)
    run(prepare(random_pictures(name, 1)))
    load_s = time.perf_counter() - started
    lanes = threads if ENGINES[engine].lanes else 1
    ms = {}
    with ThreadPoolExecutor(lanes) as pool:
        for size in BATCHES:
            batch = prepare(random_pictures(name, size))
            ms[size] = ms_an_image(pool, lanes, run, batch, size)
    return {"load_s": load_s, "memory_mb": resident_mb() - before, "ms": ms}


def ms_an_image(pool: ThreadPoolExecutor, lanes: int, run: Run, batch: Any, size: int) -> float:
    """Median milliseconds of rounds in which each lane makes one pass."""
    # A lone pass stays in this thread: PyTorch's workers belong to the thread that calls it.
    in_turn = map if lanes == 1 else pool.map
    list(in_turn(run, [batch] * lanes))  # the first one sets up this size
    times: list[float] = []
    while len(times) < LEAST_PASSES or sum(times) < SECONDS_A_POINT:
        start = time.perf_counter()
        list(in_turn(run, [batch] * lanes))
        times.append(time.perf_counter() - start)
    return 1000 * median(times) / size / lanes


def resident_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
