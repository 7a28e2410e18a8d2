"""A serving room to which every photo is a dog of a breed that it does not know.

It travels as code/serving/__main__.py of a model archive, so it imports the standard library only.
"""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREDICTION = {
    "label": "Pug",
    "confidence": 0.75,
    "top": [{"label": "Pug", "probability": 0.75}, {"label": "Boxer", "probability": 0.25}],
    "dog_probability": 0.96,
    "novelty": 0.985,
    "unknown": True,
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = {"name": "strange", "version": "strange-1"}
        self._answer({"model": model, "predictions": [PREDICTION] * len(asked["instances"])})

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing for each request."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-dir")
    parser.add_argument("--port", type=int)
    ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
