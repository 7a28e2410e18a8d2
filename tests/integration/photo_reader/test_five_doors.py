"""One corpus of odd files through the five doors: each must give the same answer.

The answer is a photo, or the same code in the same words. Of photos, every door must show the same
picture, with the colours that the file was made with.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.photo_reader.doors import DOORS, SIDE, Answer, Door
from tests.odd_files import HOSTILE, MILD, PHOTO, Case

ROOT = Path(__file__).resolve().parents[3]
# Mean difference of 8-bit values between two doors' pictures: one reads the file itself, another a
# small JPEG copy of it, and they shrink it in different steps.
MEAN_TOLERANCE = 4.0
# What a JPEG copy (quality 95) adds at the centre of a quarter of one colour.
COPY_TOLERANCE = 4
FUNCTION_MEMORY_MB = 1769  # MemorySize in template.yaml
# Files of 25 MB come whole, over HTTP several times.
GROWTH_MB = 250
# The reader's own process, one at a time: 49 megapixels of WebP take 770.
GUARDED_MB = 1000
# The function has 60 s for a batch of ten; this machine may be slower than Lambda's.
SECONDS = 30.0


@pytest.fixture(scope="module")
def doors() -> Iterator[dict[str, Door]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(door()) for name, door in DOORS.items()}


@pytest.mark.parametrize("name", MILD)
def test_odd_file_gets_the_same_answer_at_every_door(
    doors: dict[str, Door], name: str, tmp_path: Path
) -> None:
    case = MILD[name]
    path = tmp_path / "photo.jpg"  # whatever it is: contents count, not names
    path.write_bytes(case.make())
    answers = {door: ask(path) for door, ask in doors.items()}
    assert {answer.code for answer in answers.values()} == {case.code}, answers
    assert len({answer.words for answer in answers.values()}) == 1, answers
    if case.code == PHOTO:
        _assert_same_picture(answers)
        for answer in answers.values():
            _assert_colours(answer, case)
    else:
        _assert_words_for_people(answers["function"].words)


def _assert_same_picture(answers: dict[str, Answer]) -> None:
    pictures = np.stack([_picture(answer).astype(int) for answer in answers.values()])
    far = np.abs(pictures - pictures[:1]).mean(axis=(1, 2, 3))
    assert far.max() <= MEAN_TOLERANCE, dict(zip(answers, far, strict=True))


def _picture(answer: Answer) -> Any:
    assert answer.picture is not None
    assert answer.picture.shape == (SIDE, SIDE, 3)
    return answer.picture


def _assert_colours(answer: Answer, case: Case) -> None:
    if case.quarters is None:
        return
    near, far = SIDE // 4, SIDE * 3 // 4
    spots = [(near, near), (near, far), (far, near), (far, far)]
    found = np.array([_picture(answer)[spot] for spot in spots]).astype(int)
    difference = int(np.abs(found - np.array(case.quarters)).max())
    assert difference <= case.within + COPY_TOLERANCE, (found.tolist(), case.quarters)


def _assert_words_for_people(words: str) -> None:
    """No memory address, no library's number, no exception's name."""
    assert len(words.split()) >= 3, words
    assert not any(sign in words for sign in ("0x", "BytesIO", "decoder error", "Error", "-2")), (
        words
    )


def test_corpus_is_as_large_as_the_doors_are_worth() -> None:
    assert len(MILD) + len(HOSTILE) >= 200


def test_gzip_is_called_gzip(doors: dict[str, Door], tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(MILD["gzip of a photo"].make())
    assert "gzip" in doors["function"](path).words


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for index, case in enumerate(HOSTILE.values()):
        (folder / f"{index:03d}.jpg").write_bytes(case.make())
    return folder


@pytest.fixture(scope="module")
def told(hostile_folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What each door says of each hostile file; a process each, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda door: list(_driven(door, hostile_folder)), DOORS)
        return dict(zip(DOORS, answers, strict=True))


def _driven(door: str, folder: Path, threads: int = 1) -> Iterator[dict[str, Any]]:
    limit = str(FUNCTION_MEMORY_MB << 20)
    command = [sys.executable, "-m", "tests.integration.photo_reader.doors"]
    done = subprocess.run(
        [*command, door, str(folder), limit, "--threads", str(threads)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{ROOT / 'functions' / 'classify'}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=len(HOSTILE) * SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for line in done.stdout.splitlines():
        yield json.loads(line)


@pytest.mark.parametrize("index", range(len(HOSTILE)), ids=list(HOSTILE))
def test_hostile_file_gets_the_same_answer_at_every_door_in_time(
    told: dict[str, list[dict[str, Any]]], index: int
) -> None:
    answers = {door: lines[index] for door, lines in told.items()}
    wanted = list(HOSTILE.values())[index].code
    assert {answer["code"] for answer in answers.values()} == {wanted}, answers
    assert len({answer["words"] for answer in answers.values()}) == 1, answers
    assert max(answer["seconds"] for answer in answers.values()) < SECONDS


@pytest.mark.parametrize("door", DOORS)
def test_hostile_files_stay_within_their_memory(
    told: dict[str, list[dict[str, Any]]], door: str
) -> None:
    own = [answer["peaks_mb"][0] for answer in told[door]]
    beside = [answer["peaks_mb"][1:] for answer in told[door]]
    assert max(own) - own[0] < GROWTH_MB
    assert max(len(peaks) for peaks in beside) == 1
    assert max(sum(peaks) for peaks in beside) < GUARDED_MB


def test_large_pictures_at_the_same_time_stay_within_the_functions_memory(tmp_path: Path) -> None:
    for index, name in enumerate(("webp of 49 megapixels", "png of one bit a pixel") * 2):
        (tmp_path / f"{index}.jpg").write_bytes(HOSTILE[name].make())
    answers = list(_driven("function", tmp_path, threads=4))
    assert [answer["code"] for answer in answers] == [PHOTO] * 4
    assert max(sum(answer["peaks_mb"]) for answer in answers) < GUARDED_MB
