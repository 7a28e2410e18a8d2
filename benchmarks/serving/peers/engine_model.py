"""Our engine without our server: tells which of the two a difference comes from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.bare import decoded
from serving.model import load
from serving.settings import Settings
from serving.wire import outcome_json


class EngineModel:
    """As TorchModel, with OpenVINO."""

    def __init__(self, folder: Path) -> None:
        self._model = load(folder, Settings().thread_count())

    def decode(self, photo: bytes) -> np.ndarray:
        """One photo's bytes -> uint8 (crop, crop, 3)."""
        return decoded(photo, self._model.manifest.preprocess)

    def predict(self, pictures: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """What `decode` gives -> the five best breeds of each picture."""
        return [outcome_json(one) for one in self._model.predict(np.stack(pictures), alone=True)]
