"""What one writes first: FastAPI, and the model called in the handler.

`python -m benchmarks.serving.peers.fastapi_app FOLDER PORT`; PEER_ENGINE is torch or openvino.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI

app = FastAPI()


@app.get("/ping")
def ping() -> dict[str, str]:
    """Up."""
    return {}


@app.post("/invocations")
def invocations(photo: Annotated[bytes, Body(media_type="image/jpeg")]) -> dict[str, Any]:
    """One photo; FastAPI runs it in one of its threads."""
    answer: dict[str, Any] = model.predict([model.decode(photo)])[0]
    return answer


def load_model(folder: Path) -> Any:
    """The package; only the engine that is asked for comes into the process."""
    if os.environ["PEER_ENGINE"] == "openvino":
        from benchmarks.serving.peers.engine_model import EngineModel

        return EngineModel(folder)
    from rigs.torch_model import TorchModel

    return TorchModel(folder)


if __name__ == "__main__":
    model = load_model(Path(sys.argv[1]))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
