"""A model package in PyTorch, eager, for the servers beside ours."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from photo_reader import MAX_PIXELS, read
from serving.package import read_package
from serving.preprocess import pixels
from training.fit.batches import normalised
from training.network.backbones import build_backbone
from training.network.heads import build_head


class TorchModel:
    """Backbone and head; PEER_THREADS and PEER_LAYOUT (channels_last) are the settings."""

    def __init__(self, folder: Path) -> None:
        if threads := os.environ.get("PEER_THREADS"):
            torch.set_num_threads(int(threads))
        self._layout = getattr(torch, os.environ.get("PEER_LAYOUT", "contiguous_format"))
        self._manifest, weights = read_package(folder)
        tensors = load(weights)
        backbone = build_backbone(self._manifest.backbone)
        head = build_head(self._manifest.head)
        for module, prefix in ((backbone, "backbone."), (head, "head.")):
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            module.load_state_dict(own)
        network = torch.nn.Sequential(backbone, head).eval()
        self._network = network.to(memory_format=self._layout)

    def decode(self, photo: bytes) -> np.ndarray:
        """One photo's bytes -> uint8 (crop, crop, 3)."""
        spec = self._manifest.preprocess
        return pixels(read(photo, spec.least_px, MAX_PIXELS).picture, spec)

    @torch.inference_mode()
    def predict(self, pictures: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """What `decode` gives -> the five best breeds of each picture."""
        batch = normalised(list(pictures), self._manifest.preprocess)
        logits = self._network(batch.contiguous(memory_format=self._layout))
        values, indices = (logits / self._manifest.temperature).softmax(1).topk(5)
        labels = self._manifest.labels
        return [
            {"top": [{"label": labels[i], "probability": p} for p, i in zip(*row, strict=True)]}
            for row in zip(values.tolist(), indices.tolist(), strict=True)
        ]


def encode(answer: dict[str, Any]) -> str:
    """One answer as the body that goes back."""
    return json.dumps(answer)
