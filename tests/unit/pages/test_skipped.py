"""The last lines of `make test`: what was skipped, and why."""

import os
import subprocess
import sys
from pathlib import Path

from rigs.photos import ROOT
from tests.skipped import summary

PLUGIN = ROOT / "tests" / "conftest.py"


def test_summary_has_each_reason_once_with_its_tests() -> None:
    lines = ["b::two\tno photos", "a::one\tno photos", "c::three\tno browser"]
    assert summary(lines) == [
        "Skipped: 3", "- no browser", "    c::three", "- no photos", "    a::one", "    b::two",
    ]  # fmt: skip


def test_nothing_skipped_is_said_too() -> None:
    assert summary([]) == ["No test was skipped."]


def test_runs_side_by_side_add_their_skipped_tests_to_one_file(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_bytes(PLUGIN.read_bytes())
    (tmp_path / "test_a.py").write_text(
        "import pytest\n"
        "@pytest.mark.skipif(True, reason='no photos')\ndef test_a(): pass\n"
        "def test_b(): pytest.skip('no browser')\n"
        "def test_c(): pass\n"
    )
    (tmp_path / "test_d.py").write_text("import pytest\npytest.importorskip('nothing_like_it')\n")
    kept = tmp_path / "skipped.txt"
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
            env=os.environ | {"SKIPPED_TESTS": str(kept)}, cwd=tmp_path, check=True,
            capture_output=True,
        )  # fmt: skip
    found = sorted(set(kept.read_text().splitlines()))
    assert [line.split("\t")[0] for line in found] == [
        "test_a.py::test_a",
        "test_a.py::test_b",
        "test_d.py",
    ]
    assert found[0].endswith("\tno photos")
    assert len(kept.read_text().splitlines()) == 6
