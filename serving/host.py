"""uvicorn as the application's host: what `python -m serving` runs (see __main__.py)."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn

from serving.app import create_app
from serving.model import load
from serving.package import PackageError
from serving.settings import Settings, SettingsError

logger = logging.getLogger("serving")

DEFAULT_MODEL_DIR = Path("/opt/ml/model")


def main(arguments: list[str] | None = None) -> int:
    """Load, listen, and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serve a breed model.")
    parser.add_argument("--model-dir", type=Path, default=DEFAULT_MODEL_DIR)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 picks a free one")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = Settings.from_env()
        model = load(options.model_dir, settings.thread_count(), settings.precision)
        listener = listen(options.host, options.port)
    except (PackageError, SettingsError, ListenError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    # uvicorn finishes what is in flight, then raises the signal again for whoever was there first.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    manifest = model.manifest
    port = listener.getsockname()[1]
    logger.info("serving %s version %s on port %d", manifest.name, manifest.version, port)
    config = uvicorn.Config(
        create_app(lambda: model, settings),
        lifespan="on",
        log_config=None,
        access_log=False,
        # Longer than callers keep idle connections: one that the server closes just as a request
        # leaves would be a lost request.
        timeout_keep_alive=75,
        # Requests in flight end by their own deadline; beyond that there is nothing to wait for.
        timeout_graceful_shutdown=settings.request_timeout_s + 1,
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
    return 0


class ListenError(Exception):
    """The address cannot be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """Bind before serving, so that a taken port is an error of ours with a clear message."""
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is; without,
    # each answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        message = f"cannot listen on {host}:{port}: {error}; choose another --port"
        raise ListenError(message) from error
    return listener


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
