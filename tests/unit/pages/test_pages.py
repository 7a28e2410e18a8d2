"""Pages: their links lead somewhere, their commands exist, their figures were measured."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmarks import figures
from benchmarks.report import read
from benchmarks.serving import figures as endpoint

ROOT = Path(__file__).resolve().parents[3]
# Folders with a dot (environments, what was built) are large, and hold no page of ours.
ROOMS = [folder for folder in ROOT.iterdir() if folder.is_dir() and folder.name[0] != "."]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *(page for room in ROOMS for page in room.rglob("*.md")))
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^\s*```.*?^\s*```$", re.DOTALL | re.MULTILINE)
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


@cache
def text(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for link in LINK.findall(FENCE.sub("", text(page))):
            if "://" not in link:
                yield page, link


@pytest.mark.parametrize(("page", "link"), list(links()), ids=str)
def test_link_leads_somewhere(page: Path, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = (ROOT / page.parent / name).resolve() if name else ROOT / page
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_of_make_exist(page: Path) -> None:
    targets = set(TARGET.findall(text(Path("Makefile"))))
    code = "\n".join(FENCE.findall(text(page)) + re.findall(r"`(make [^`]*)`", text(page)))
    named = set(re.findall(r"\bmake (?:-s )?([a-z][a-z-]*)", code))
    assert named <= targets


def test_first_page_is_read_in_a_minute() -> None:
    lines = text(Path("README.md")).splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 120


def test_page_of_figures_is_what_the_results_say() -> None:
    assert text(Path("docs/figures.md")) == figures.page()


def test_make_figures_writes_that_page() -> None:
    done = subprocess.run(
        ["make", "figures"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (ROOT / "docs" / "figures.md").read_text(encoding="utf-8") == figures.page()


def figure(model: str, contender: str) -> str:
    return f"{endpoint.over_the_toolkit(model, contender):.1f}"


def outage(way: str) -> int:
    dead: int = read("outage")["scenarios"]["no endpoint for 12 h"][way]["dead"]
    return dead


def mixed_changes() -> tuple[int, str]:
    """First labels of the starter model that mixed precision changes, and photos."""
    mixed = read("calibration")["starter"]["mixed"]
    return mixed["labels_changed"], f"{mixed['n']:,}"


WORDS = ("no", "one", "two", "three", "four", "five")


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("README.md", f"answers {figure(endpoint.LITE, endpoint.OURS)} times the photos of "
                      "TorchServe"),
        ("README.md", f"makes it {figure(endpoint.LITE, endpoint.MIXED)} times"),
        ("docs/decisions.md", f"sent {outage('five_tries_360_s_apart')} of "
                              f"{read('outage')['photos']} photos to the dead-letter "
                              f"queue; now it sends {outage('spaced')}."),
        ("docs/decisions.md", f"down to {WORDS[mixed_changes()[0]]} in {mixed_changes()[1]}"),
        ("serving/settings.py", f"({mixed_changes()[0]} of {mixed_changes()[1]}), and confidences"),
    ],
)  # fmt: skip
def test_sentence_says_what_was_measured(page: str, sentence: str) -> None:
    assert sentence in " ".join(text(Path(page)).split())


def test_every_result_is_on_the_page_of_figures_or_of_costs() -> None:
    pages = (
        "figures.py", "trust_figures.py", "drift_figures.py", "serving/figures.py",
        "backfill/figures.py", "cost.py",
    )  # fmt: skip
    told = "".join(text(Path("benchmarks", page)) for page in pages)
    for path in sorted((ROOT / "benchmarks" / "results").rglob("*.json")):
        assert f'read("{path.stem}")' in told, path.name
        json.loads(path.read_text(encoding="utf-8"))


def test_no_page_is_forgotten_by_git() -> None:
    known = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert {str(page) for page in PAGES} == {name for name in known if not name.startswith(".")}
