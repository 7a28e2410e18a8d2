"""Keras's layers, computed as Keras defines them, beside ours with the converted weights."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks.keras_resnet50 import read, unit

CHANNELS, OUTPUTS = 3, 4
RANDOM = np.random.default_rng(0)


def some(*shape: int) -> np.ndarray:
    return RANDOM.uniform(0.5, 2, shape).astype(np.float32)


def test_converted_unit_computes_what_keras_does() -> None:
    norm = ("gamma", "beta", "moving_mean", "moving_variance")
    keras = {"a/kernel": some(3, 3, CHANNELS, OUTPUTS), "a/bias": some(OUTPUTS)}
    keras |= {f"b/{name}": some(OUTPUTS) for name in norm}
    picture = some(8, 8, CHANNELS)

    valid = np.lib.stride_tricks.sliding_window_view(picture, (3, 3), axis=(0, 1))
    sums = np.einsum("ijcyx,yxco->ijo", valid, keras["a/kernel"]) + keras["a/bias"]
    gamma, beta, mean, variance = (keras[f"b/{name}"] for name in norm)
    expected = (sums - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    ours = {key: torch.from_numpy(value) for key, value in unit(keras, "a", "b", "c", "n").items()}
    y = functional.conv2d(torch.from_numpy(picture.transpose(2, 0, 1)[None]), ours["c.weight"])
    y = functional.batch_norm(
        y, ours["n.running_mean"], ours["n.running_var"], ours["n.weight"], ours["n.bias"], eps=1e-5
    )
    np.testing.assert_allclose(y[0].permute(1, 2, 0), expected, rtol=1e-4, atol=1e-4)


def test_tensors_are_read_across_the_parts_of_a_file(tmp_path: Path) -> None:
    first, second = some(2, 3), some(5)
    content = first.tobytes() + second.tobytes()
    (tmp_path / "1of2.bin").write_bytes(content[:10])
    (tmp_path / "2of2.bin").write_bytes(content[10:])
    names = [{"name": "a", "shape": [2, 3]}, {"name": "b", "shape": [5]}]
    manifest = {"weightsManifest": [{"paths": ["1of2.bin", "2of2.bin"], "weights": names}]}
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    found = read(tmp_path)
    np.testing.assert_array_equal(found["a"], first)
    np.testing.assert_array_equal(found["b"], second)
