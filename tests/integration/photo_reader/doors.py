"""The five doors through which a photo comes in, each as a function from a file to its answer.

Run as a program it drives the files of a folder through one door and prints a JSON object a file:
the answer, and the peak resident megabytes so far of this process and of the reader's beside it.
"""

import argparse
import io
import json
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serving.preprocess import PreprocessSpec, pixels

Pixels = NDArray[np.uint8]

# The middle of the photo, whole, at the size at which the doors' pictures are compared.
SIDE = 48
SPEC = PreprocessSpec(SIDE, SIDE, "bicubic", (0.5,) * 3, (0.5,) * 3)


@dataclass(frozen=True)
class Answer:
    """PHOTO with its picture (SIDE, SIDE, 3), or a code with words."""

    code: str
    words: str = ""
    picture: Pixels | None = None


Door = Callable[[Path], Answer]


def seen(image: Image.Image) -> Answer:
    return Answer("PHOTO", picture=pixels(image, SPEC))


def refusal(text: str) -> Answer:
    """`CODE: words`, as every door puts it."""
    code, _, words = text.partition(": ")
    return Answer(code, words)


@contextmanager
def function() -> Iterator[Door]:
    from classify.errors import PermanentError
    from classify.images import shrink
    from classify.settings import Settings

    def ask(path: Path) -> Answer:
        try:
            photo = shrink(path.read_bytes(), Settings.max_pixels)
        except PermanentError as error:
            return Answer(error.code, error.message)
        return seen(_opened(photo.jpeg))

    yield ask


@contextmanager
def endpoint() -> Iterator[Door]:
    """The application over HTTP, with a model that keeps what it is shown."""
    from starlette.testclient import TestClient

    from serving.app import create_app
    from serving.model import Prediction
    from serving.package import Manifest
    from serving.settings import Settings

    class Model:
        manifest = Manifest("m", "none", ("Pug",), (1, 1), SPEC, None, "")

        def __init__(self) -> None:
            self.pictures: Pixels = np.empty(0, np.uint8)

        def warm_up(self, *_: object, **__: object) -> None:
            pass

        def predict(self, pictures: Pixels, **_: object) -> list[Prediction]:
            self.pictures = pictures
            return [Prediction("Pug", 1.0, None, (("Pug", 1.0),)) for _ in pictures]

    model: Any = Model()
    settings = Settings(max_body_bytes=32 << 20, threads=1, request_timeout_s=60)
    with TestClient(create_app(lambda: model, settings)) as client:

        def ask(path: Path) -> Answer:
            headers = {"Content-Type": "application/x-image"}
            answer = client.post("/invocations", content=path.read_bytes(), headers=headers)
            if answer.status_code == 200:
                return Answer("PHOTO", picture=model.pictures[0])
            error = answer.json()["error"]
            return Answer(error["code"], error["message"])

        yield ask


@contextmanager
def training() -> Iterator[Door]:
    from photo_reader import PhotoError
    from training.features.photos import picture

    def ask(path: Path) -> Answer:
        try:
            return Answer("PHOTO", picture=picture(path, SPEC, 0, path.name))
        except PhotoError as error:
            return refusal(str(error))

    yield ask


@contextmanager
def verify() -> Iterator[Door]:
    """With the fingerprint's picture looked at on its way."""
    from training.data import inspection

    shown: list[Image.Image] = []
    fingerprint = inspection.fingerprint

    def look(image: Image.Image) -> tuple[bytes, bytes] | None:
        shown.append(image)
        return fingerprint(image)

    def ask(path: Path) -> Answer:
        problem = inspection.inspect(path).problem
        return refusal(problem) if problem else seen(shown.pop())

    inspection.fingerprint = look
    try:
        yield ask
    finally:
        inspection.fingerprint = fingerprint


@contextmanager
def predict() -> Iterator[Door]:
    """`make predict`, with a runtime that keeps what it is sent."""
    from training.jobs.endpoint import ask as ask_endpoint
    from training.jobs.errors import UsageError

    class Runtime:
        def invoke_endpoint(self, Body: bytes, **_: object) -> dict[str, Any]:  # noqa: N803
            self.body = Body
            raise _Sent

    class _Sent(Exception):  # noqa: N818 - no error: the way out with the body
        pass

    def ask(path: Path) -> Answer:
        runtime = Runtime()
        try:
            ask_endpoint(runtime, "breeds", path)
        except UsageError as error:
            return refusal(str(error).removeprefix(f"{path}: "))
        except _Sent:
            return seen(_opened(runtime.body))
        raise AssertionError("the endpoint was not asked")

    yield ask


DOORS = {
    "function": function,
    "endpoint": endpoint,
    "training": training,
    "verify": verify,
    "predict": predict,
}


def _opened(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image


def _peak_mb(process: str) -> int:
    # Not getrusage: its figure begins with what the parent had resident.
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def _children() -> list[str]:
    """Of every thread: the one that asked for the reader's process is its parent."""
    listed = (
        path.read_text(encoding="ascii") for path in Path("/proc/self/task").glob("*/children")
    )
    return " ".join(listed).split()


def _told(ask: Door, path: Path) -> dict[str, Any]:
    started = time.monotonic()
    answer = ask(path)
    return {
        "code": answer.code,
        "words": answer.words,
        "peaks_mb": [_peak_mb(process) for process in ("self", *_children())],
        "seconds": time.monotonic() - started,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("door", choices=DOORS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("limit", type=int, help="address space of each process in bytes")
    parser.add_argument("--threads", type=int, default=1, help="files at a time")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (options.limit, options.limit))
    paths = sorted(options.folder.glob("*.jpg"))
    with DOORS[options.door]() as ask, ThreadPoolExecutor(options.threads) as pool:
        for told in pool.map(partial(_told, ask), paths):
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
