"""The script of a user of the SageMaker PyTorch inference toolkit: its four documented functions.

The toolkit calls them for one request after the other, also where TorchServe hands it a batch.
"""

from pathlib import Path
from typing import Any

from rigs.torch_model import TorchModel, encode


def model_fn(model_dir: str) -> TorchModel:
    """Called once in each worker."""
    return TorchModel(Path(model_dir))


def input_fn(data: bytes, content_type: str) -> bytes:
    """A request's body."""
    if content_type != "image/jpeg":
        raise ValueError(f"Content-Type {content_type!r}: expected image/jpeg")
    return bytes(data)


def predict_fn(photo: bytes, model: TorchModel) -> dict[str, Any]:
    """One photo, one pass."""
    return model.predict([model.decode(photo)])[0]


def output_fn(answer: dict[str, Any], accept: str) -> str:
    """JSON, whatever is accepted."""
    return encode(answer)
