"""The files that the engines load: weights, and what is exported, quantised or compiled from them.

Each is made once, in a process of its own. Quantisation is calibrated on validation photos; where
there are none, on random pictures, which will do to measure speed.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from openvino import opset13 as ops
from openvino.passes import ConstantFolding, Manager
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.models import pretrained
from rigs.photos import DOGS, dog_photos
from serving.network import graph
from serving.weights import Weights
from training.features.photos import picture
from training.fit.batches import normalised
from training.network.backbones import REGISTRY, build_backbone

SEED = 0
PHOTOS, RANDOM_PICTURES = 300, 20
WEIGHTS, ONNX, ONNX_INT8 = "weights.safetensors", "onnx-float32.onnx", "onnx-int8.onnx"
OPENVINO_INT8, INDUCTOR = "openvino-int8.xml", "inductor.pt2"

Pictures = NDArray[np.uint8]


def make(file: str, name: str, folder: Path) -> dict[str, float]:
    """Make one of FILES for a backbone: {"seconds", "mb"}. Those named before it must be there."""
    started = time.perf_counter()
    _MAKERS[file](name, folder)
    seconds = time.perf_counter() - started
    parts = folder.glob(f"{Path(file).stem}.*")  # OpenVINO's are two files
    return {"seconds": seconds, "mb": sum(part.stat().st_size for part in parts) / 1e6}


def needed_for(file: str) -> list[str]:
    """A file and those that it is made from, in order."""
    return [one for one in FILES if one in (WEIGHTS, file) or (one, file) == (ONNX, ONNX_INT8)]


def load_network(name: str, folder: Path) -> nn.Module:
    """The backbone in PyTorch, from the file of weights."""
    network = build_backbone(name).eval()
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network


def load_weights(folder: Path) -> Weights:
    """The same weights for serving's graphs."""
    return Weights(load_arrays(folder / WEIGHTS))


def to_tensor(pictures: Pictures, name: str) -> torch.Tensor:
    """uint8 (N, crop, crop, 3) -> what the backbone takes in PyTorch, channels-last in memory."""
    return normalised(list(pictures), REGISTRY[name].preprocess)


def random_pictures(name: str, count: int) -> Pictures:
    """Noise, always the same."""
    crop = REGISTRY[name].preprocess.crop
    random = np.random.default_rng(SEED)
    return random.integers(0, 256, (count, crop, crop, 3), dtype=np.uint8)


def calibrated_on() -> str:
    """In words, what `calibration` gives."""
    if _there_are_photos():
        return f"{PHOTOS} photos of DOGS_DATA/valid, of all breeds alike"
    return f"{RANDOM_PICTURES} random pictures, seed {SEED}"


def calibration(name: str) -> Iterator[Pictures]:
    """Pictures to quantise with, one at a time: (1, crop, crop, 3)."""
    if _there_are_photos():
        for path in dog_photos(PHOTOS, "valid"):
            yield picture(path, REGISTRY[name].preprocess, 0, path.name)[None]
    else:
        yield from random_pictures(name, RANDOM_PICTURES)[:, None]


def _there_are_photos() -> bool:
    return (DOGS / "valid").is_dir()


def _weights(name: str, folder: Path) -> None:
    save_file(dict(pretrained(name).tensors), folder / WEIGHTS)


def _exported(name: str, folder: Path) -> torch.export.ExportedProgram:
    """The backbone as torch.export sees it, for any batch size."""
    # Two pictures, not one: a size of 1 would be taken for a constant.
    example = to_tensor(random_pictures(name, 2), name)
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        return torch.export.export(
            load_network(name, folder), (example,), dynamic_shapes=({0: batch},)
        )


def _inductor(name: str, folder: Path) -> None:
    from torch._inductor import aoti_compile_and_package

    # Freezing folds the batch norms and packs the weights for oneDNN. Without dynamic threads, the
    # package would use as many as the process that made it.
    settings = {"freezing": True, "cpp.dynamic_threads": True}
    with torch.no_grad():
        aoti_compile_and_package(
            _exported(name, folder),
            package_path=str(folder / INDUCTOR),
            inductor_configs=settings,
        )


def _onnx(name: str, folder: Path) -> None:
    program = torch.onnx.export(_exported(name, folder), verbose=False)
    assert program is not None
    program.save(folder / ONNX)


def _onnx_int8(name: str, folder: Path) -> None:
    from onnxruntime import InferenceSession
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc,unused-ignore]  # untyped in mypy's environment
        def __init__(self) -> None:
            self._left = calibration(name)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            pictures = next(self._left, None)
            return None if pictures is None else {entry: to_tensor(pictures, name).numpy()}

    entry = InferenceSession(folder / ONNX).get_inputs()[0].name
    prepared = folder / "prepared.onnx"
    quant_pre_process(folder / ONNX, prepared)
    # Unsigned activations times signed weights is what x86 multiplies fastest (VNNI).
    quantize_static(
        prepared,
        folder / ONNX_INT8,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()


def _openvino_int8(name: str, folder: Path) -> None:
    import nncf

    pictures = list(calibration(name))
    entry, features = graph(name, load_weights(folder), REGISTRY[name].preprocess)
    model = ov.Model([ops.result(features)], [entry])
    # NNCF leaves weights alone that are computed, as those of depthwise convolutions are.
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    quantised = nncf.quantize(model, nncf.Dataset(pictures), subset_size=len(pictures))
    ov.save_model(quantised, folder / OPENVINO_INT8, compress_to_fp16=False)


_MAKERS: dict[str, Callable[[str, Path], None]] = {
    WEIGHTS: _weights,
    ONNX: _onnx,
    ONNX_INT8: _onnx_int8,
    OPENVINO_INT8: _openvino_int8,
    INDUCTOR: _inductor,
}
FILES = tuple(_MAKERS)
