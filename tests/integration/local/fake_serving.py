"""A serving room in a page: what it does with a request is what the request's body says.

It travels as code/serving/__main__.py of a model archive, so it imports the standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        word, _, argument = body[:100].decode(errors="replace").partition(":")
        if word == "die":
            os._exit(3)
        if word == "status":
            self._answer(int(argument), b'{"error": {"code": "ASKED", "message": "as asked"}}')
        else:
            self._answer(200, json.dumps(self._facts(len(body))).encode())

    def _facts(self, length: int) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "length": length,
            "content_type": self.headers["Content-Type"],
            "marker": (MODEL_DIR / "marker").read_text(),
            "colour": os.environ.get("COLOUR"),
            "cwd": str(pathlib.Path.cwd()),
            "aws_variables": sorted(name for name in os.environ if name.startswith("AWS_")),
        }

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if attributes := self.headers.get("X-Amzn-SageMaker-Custom-Attributes"):
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", attributes)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing for each request."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-dir", type=pathlib.Path)
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    MODEL_DIR: pathlib.Path = options.model_dir
    if not (MODEL_DIR / "marker").exists():
        sys.exit("marker: this package has none")
    print("fake serving is up", flush=True)
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
