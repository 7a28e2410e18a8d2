"""LitServe with its batching: `python -m benchmarks.serving.peers.litserve_app FOLDER PORT`."""

import base64
import os
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np

from rigs.torch_model import TorchModel


class Classifier(litserve.LitAPI):
    """LitServe's hooks, in the order in which it calls them."""

    def setup(self, device: str) -> None:
        """Once in each worker."""
        self.model = TorchModel(Path(sys.argv[1]))

    def decode_request(self, request: dict[str, str]) -> np.ndarray:
        """One request's JSON -> its picture."""
        return self.model.decode(base64.b64decode(request["b64"]))

    def batch(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        """As they are: the model takes a list."""
        return pictures

    def predict(self, pictures: list[np.ndarray]) -> list[dict[str, Any]]:
        """One forward pass."""
        return self.model.predict(pictures)

    def unbatch(self, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One a request."""
        return answers

    def encode_response(self, answer: dict[str, Any]) -> dict[str, Any]:
        """LitServe makes JSON of it."""
        return answer


if __name__ == "__main__":
    api = Classifier(
        max_batch_size=int(os.environ["PEER_BATCH"]),
        batch_timeout=float(os.environ["PEER_BATCH_TIMEOUT"]),
        api_path="/invocations",
    )
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=int(os.environ["PEER_WORKERS"])
    )
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False)
