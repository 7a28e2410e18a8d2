"""What one writes first: FastAPI, and the model called in the handler.

`python -m benchmarks.serving.peers.fastapi_app FOLDER PORT`
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI

from benchmarks.serving.peers.torch_model import TorchModel

app = FastAPI()


@app.get("/ping")
def ping() -> dict[str, str]:
    """Up."""
    return {}


@app.post("/invocations")
def invocations(photo: Annotated[bytes, Body(media_type="image/jpeg")]) -> dict[str, Any]:
    """One photo; FastAPI runs it in one of its threads."""
    return model.predict([model.decode(photo)])[0]


if __name__ == "__main__":
    model = TorchModel(Path(sys.argv[1]))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
