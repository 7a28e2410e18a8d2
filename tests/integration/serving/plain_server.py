"""What one writes first: PyTorch in the handler. `python -m ... FOLDER PORT`, an unpacked package.

In starlette's threads, as FastAPI would; with the decoder and the weights of the endpoint.
"""

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rigs.torch_model import TorchModel


def app(model: TorchModel) -> Starlette:
    """POST /invocations takes one photo."""

    async def invocations(request: Request) -> Response:
        photo = await request.body()
        answer = await run_in_threadpool(lambda: model.predict([model.decode(photo)])[0])
        return JSONResponse(answer)

    async def ping(_request: Request) -> Response:
        return Response()

    return Starlette(routes=[Route("/invocations", invocations, methods=["POST"]),
                             Route("/ping", ping)])  # fmt: skip


if __name__ == "__main__":
    served = app(TorchModel(Path(sys.argv[1])))
    uvicorn.run(served, host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
