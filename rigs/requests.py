"""Pictures and requests for the endpoint's tests."""

import base64
import io
import json
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from rigs.hosts import Host

JPEG = {"Content-Type": "image/jpeg"}


def photo(seed: int = 0, size: tuple[int, int] = (300, 260), kind: str = "JPEG") -> bytes:
    """A generated picture with some structure, encoded."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def slow_jpeg() -> bytes:
    """24 megapixels in 90 passes over all of them: valid, small, and many seconds of decoding."""
    buffer = io.BytesIO()
    Image.new("RGB", (6000, 4000), "teal").save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * 80 + data[-2:]


def large_png() -> bytes:
    """49 megapixels in 0.2 MB."""
    buffer = io.BytesIO()
    Image.new("RGB", (7000, 7000), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def batch(*images: bytes) -> dict[str, Any]:
    """The wire format for many images."""
    return {"instances": [{"b64": base64.b64encode(image).decode()} for image in images]}


def batch_body(images: Sequence[bytes]) -> bytes:
    """The same as a request's body."""
    return json.dumps(batch(*images)).encode()


def half_sent(host: Host, content: bytes | None = None) -> socket.socket:
    """An upload of which the last byte is missing."""
    content = content or photo()
    upload = socket.create_connection(("127.0.0.1", host.own_port), timeout=60)
    upload_but_one_byte(upload, content)
    return upload


def upload_but_one_byte(upload: socket.socket, content: bytes) -> None:
    """Send a request's head and all of its body but the last byte."""
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
    upload.sendall(head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + content[:-1])


def read_answer(upload: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of the one answer on this connection."""
    with upload.makefile("rb") as lines:
        status = int(lines.readline().split()[1])
        length = 0
        while (line := lines.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return status, json.loads(lines.read(length))
