"""Hostile files, all in one process whose memory is limited to the function's.

No crash, one reason each.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.classify.hostile import CORPUS, LARGE, PHOTO

ROOT = Path(__file__).resolve().parents[3]
FUNCTION_MEMORY_MB = 1769  # MemorySize in template.yaml


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hostile")
    names = {name: f"{index}.bin" for index, name in enumerate(CORPUS)}
    for name, (make, _) in CORPUS.items():
        (folder / names[name]).write_bytes(make())
    (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
    limit = str(FUNCTION_MEMORY_MB * 1024 * 1024)
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.classify.hostile", str(folder), limit],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'functions' / 'classify'}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts: dict[str, Any] = json.loads(done.stdout)
    return verdicts


@pytest.mark.parametrize("name", CORPUS)
def test_hostile_file_gets_its_reason(verdicts: dict[str, Any], name: str) -> None:
    assert verdicts["seen"][name] == CORPUS[name][1]


def test_largest_pictures_at_the_same_time_stay_within_the_functions_memory(
    verdicts: dict[str, Any],
) -> None:
    assert verdicts["together"] == [PHOTO] * len(LARGE)
    # One 49-megapixel WebP alone takes 770.
    assert verdicts["peak_mb"] < 1000
