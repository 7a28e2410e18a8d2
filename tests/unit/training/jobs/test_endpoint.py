"""What `predict` sends, and what it says of a file that it cannot send."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from photo_reader.wire_copy import wire_copy
from rigs import heic
from training.jobs.endpoint import ask
from training.jobs.errors import CommandError, UsageError


class Runtime:
    """Keeps the bodies it is sent, and answers as an endpoint does."""

    def __init__(self, **more: Any) -> None:
        self.bodies: list[bytes] = []
        self._more = more

    def invoke_endpoint(self, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.bodies.append(Body)
        top = [{"label": "Pug", "probability": 0.9}]
        answer = {"label": "Pug", "confidence": 0.9, "top": top} | self._more
        return {"Body": io.BytesIO(json.dumps(answer).encode())}


def sent(path: Path) -> bytes:
    runtime = Runtime()
    assert ask(runtime, "breeds", path).label == "Pug"
    (body,) = runtime.bodies
    return body


def test_endpoint_gets_the_copy_that_the_function_would_send(tmp_path: Path) -> None:
    path = tmp_path / "x.heic"
    path.write_bytes(heic.TURNED)
    assert sent(path) == wire_copy(heic.TURNED).jpeg


def test_unknown_breed_is_told_with_its_novelty(tmp_path: Path) -> None:
    path = tmp_path / "x.heic"
    path.write_bytes(heic.TURNED)

    answer = ask(Runtime(novelty=0.985, unknown=True), "breeds", path)

    assert (answer.words, answer.breed) == ("UNKNOWN_BREED, nearest Pug", None)
    assert answer.novelty == 0.985
    plain = ask(Runtime(), "breeds", path)
    assert (plain.words, plain.breed, plain.novelty) == ("Pug", "Pug", None)


def test_large_sixteen_bit_picture_keeps_its_greys_and_fits_a_request(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    noise = Image.effect_noise((1600, 1600), 60).convert("I")
    deep = noise.point(lambda value: value * 257 + 0).convert("I;16")
    deep.save(path)
    assert path.stat().st_size > 3_900_000
    body = sent(path)
    assert len(body) < 1_000_000
    grey = Image.open(io.BytesIO(body)).convert("L").resize((1, 1), Image.Resampling.BOX)
    assert abs(int(grey.getpixel((0, 0))) - 128) < 8  # type: ignore[arg-type]


def test_file_that_is_no_photo_is_refused_by_its_name_with_the_readers_words(
    tmp_path: Path,
) -> None:
    path = tmp_path / "notes.jpg"
    path.write_bytes(b"hello")
    runtime = Runtime()
    with pytest.raises(UsageError, match=r"notes\.jpg: NOT_AN_IMAGE: "):
        ask(runtime, "breeds", path)
    assert runtime.bodies == []


def test_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.jpg: cannot be opened: No such file"):
        ask(Runtime(), "breeds", tmp_path / "gone.jpg")


@pytest.mark.parametrize(
    "fault", [MemoryError(), TimeoutError("busy"), ChildProcessError("no process")]
)
def test_machines_fault_is_not_the_files(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    path = tmp_path / "x.heic"
    path.write_bytes(heic.UPRIGHT)
    monkeypatch.setattr("training.jobs.endpoint.wire_copy", fail)
    with pytest.raises(CommandError, match="this machine could not read it"):
        ask(Runtime(), "breeds", path)
