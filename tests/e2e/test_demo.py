"""`make demo` as a user runs it: a folder of files in, one row a file out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rigs.photos import ROOT, breed_of, dog_photos
from tours.demo import photos as demo_photos

DEMO_S = 420
ANSWERED = {"CLASSIFIED", "UNKNOWN_BREED", "NO_DOG"}
AWKWARD = "two words + plus % ünïcödé 犬.jpg"


def _run_demo(folder: Path, out: Path) -> str:
    """Output of `make demo`; fails with all of it when the exit code is not 0."""
    done = subprocess.run(
        ["make", "demo", f"PHOTOS={folder}", f"OUT={out}"],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=DEMO_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _folder(folder: Path) -> dict[str, set[str]]:
    """Files of every kind; the statuses that are right for each, by name."""
    drawn = demo_photos.drawn(folder / "drawn", 4).files
    right = {f"drawn/{path.name}": ANSWERED for path in drawn}
    right[f"drawn/{drawn[3].name}"] = {"NO_DOG"}
    shutil.copy(drawn[0], folder / AWKWARD)
    right[AWKWARD] = ANSWERED
    (folder / "text.jpg").write_text("This is a text file.\n" * 50)
    whole = drawn[0].read_bytes()
    (folder / "cut off.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / "empty.jpg").touch()
    rejected = {"REJECTED"}
    return right | {"text.jpg": rejected, "cut off.jpg": rejected, "empty.jpg": rejected}


def _in_top(row: dict[str, Any], breed: str, count: int) -> bool:
    return breed.lower() in [t["label"].lower() for t in row.get("top", [])[:count]]


def test_demo_with_a_mixed_folder_gives_every_file_its_row(tmp_path: Path) -> None:
    # GIVEN drawings, a text file, a cut-off JPEG, an empty file, an awkward name, and 40 dogs
    folder = tmp_path / "my photos"
    right = _folder(folder)
    dogs = dog_photos(40)
    breeds = {}
    for photo in dogs:
        name = f"dogs/{photo.parent.name}-{photo.name}"
        (folder / "dogs").mkdir(exist_ok=True)
        shutil.copy(photo, folder / name)
        right[name], breeds[name] = ANSWERED, breed_of(photo)
    # WHEN the demo runs
    output = _run_demo(folder, tmp_path / "rows.json")
    # THEN there is one row a file, with the right status
    items = json.loads((tmp_path / "rows.json").read_text())
    rows = {item["image_key"].removeprefix("uploads/"): item for item in items}
    assert len(items) == len(rows) == len(right)
    assert {name: rows[name]["status"] in right[name] for name in right} == dict.fromkeys(
        right, True
    )
    assert "contact-sheet.html" in output
    sheet = (ROOT / ".local" / "demo" / "contact-sheet.html").read_text()
    assert sheet.count("<figure") == len(right)
    # AND of the dogs whose breed the model knows, most are right
    known = {t["label"].lower() for item in items for t in item.get("top", [])}
    tried = {name: breed for name, breed in breeds.items() if breed.lower() in known}
    for count, share in ((1, 0.80), (5, 0.95)):
        hits = sum(_in_top(rows[name], breed, count) for name, breed in tried.items())
        print(f"top-{count}: {hits} of {len(tried)}")
        assert hits >= share * len(tried)


def test_demo_with_a_missing_folder_says_so_and_exits_with_2() -> None:
    done = subprocess.run(
        ["make", "demo", "PHOTOS=/no/such/folder"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "no such folder" in done.stdout + done.stderr


@pytest.mark.parametrize("target", ["demo", "test", "local", "env", "build", "model"])
def test_make_alone_lists_the_target(target: str) -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert target in listed
