"""The pages of the debugger and the profiler: short, and with the figures that were measured."""

from pathlib import Path

import pytest

import training.debugger
import training.profiler
from benchmarks.report import read

ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = {"debugger": training.debugger.__all__, "profiler": training.profiler.__all__}


def page(library: str) -> str:
    return (ROOT / "training" / library / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("library", LIBRARIES)
def test_page_names_the_public_names_in_sixty_lines(library: str) -> None:
    assert len(page(library).splitlines()) <= 60
    assert all(f"`{name}" in page(library) for name in LIBRARIES[library])


def test_cost_of_the_debuggers_hook_is_what_was_measured() -> None:
    ratios = [case["ratio"] for case in read("hook_overhead")["cases"]]
    ours = [f"{ratio['recorder']:.2f}" for ratio in ratios]
    whole = [f"{one['smdebug, whole tensors']:.1f}" for one in ratios if len(one) == 3]
    assert f"| {ours[0]} / {ours[1]} x | {whole[0]} / {whole[1]} x |" in page("debugger")
    assert f"| {ours[2]} / {ours[3]} x | {whole[2]} / {whole[3]} x |" in page("debugger")
    assert f"| {ours[4]} x | {whole[4]} x |" in page("debugger")
    assert f"| {ours[5]} x | |" in page("debugger")
