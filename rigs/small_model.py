"""A serving room whose answers are made of the photo's bytes and the model's version, and always
the same. A request takes as long as the file `takes_s` says, asleep: as it does of an endpoint on a
machine of its own.

Beside its version it keeps how many photos it was asked about, in the file `asked`.

It travels as code/serving/__main__.py of a model archive, so it imports the standard library only.
Version "2" answers otherwise than "1" for one photo in four.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pathlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BREEDS = ("Pug", "Boxer", "Beagle", "Whippet")


def answer(photo: str, version: str) -> dict[str, object]:
    """One prediction, of a photo in base64."""
    digest = hashlib.sha256(photo.encode()).digest()
    first = digest[0] % len(BREEDS)
    if version != "1" and digest[1] % 4 == 0:
        first = (first + 1) % len(BREEDS)
    confidence = 0.4 + digest[2] / 512
    return {
        "label": BREEDS[first],
        "confidence": confidence,
        "top": [
            {"label": BREEDS[first], "probability": confidence},
            {"label": BREEDS[first - 1], "probability": 1 - confidence},
        ],
        "dog_probability": 0.99,
        "novelty": 0.1,
    }


LOCK = threading.Lock()
ASKED = 0


def count(photos: int) -> None:
    global ASKED
    with LOCK:
        ASKED += photos
        (FOLDER / "asked").write_text(str(ASKED))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        count(len(asked["instances"]))
        time.sleep(TAKES_S)
        self._answer(
            {
                "model": {"name": "small", "version": f"small-{VERSION}"},
                "predictions": [answer(each["b64"], VERSION) for each in asked["instances"]],
            }
        )

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
    parser.add_argument("--model-dir", type=pathlib.Path)
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    FOLDER: pathlib.Path = options.model_dir
    VERSION = (FOLDER / "version").read_text()
    TAKES_S = float((FOLDER / "takes_s").read_text())
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
