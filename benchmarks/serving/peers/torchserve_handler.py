"""A TorchServe handler of one's own, which runs a batch of requests as one forward pass."""

from pathlib import Path
from typing import Any

from rigs.torch_model import TorchModel, encode

_loaded: list[TorchModel] = []  # one, once a worker has started


def handle(requests: list[dict[str, Any]] | None, context: Any) -> list[str] | None:
    """TorchServe's entry point: requests in, as many bodies out; the first call brings none."""
    if not _loaded:
        _loaded.append(TorchModel(Path(context.system_properties["model_dir"])))
    if not requests:
        return None
    (model,) = _loaded
    answers = model.predict([model.decode(bytes(request["body"])) for request in requests])
    context.set_all_response_status(200)
    for index in range(len(requests)):
        context.set_response_content_type(index, "application/json")
    return [encode(answer) for answer in answers]
