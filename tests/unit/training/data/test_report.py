"""The report of a verification, word for word and within its bounds."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.training.data.photos import small_set, write_files
from training.data.dataset import DataSet
from training.data.report import SHOWN, show
from training.data.verify import SMALL_CLASS, Finding, Report, verify

COUNTS = {
    "Beagle": {"train": 40, "valid": 3, "test": 2},
    "[Pug]": {"train": 1200, "valid": 3, "test": 9},
    "Dhole": {"train": 50, "valid": 3, "test": 5},
}


def shown(*findings: Finding, was_split: bool = False, digest: str | None = "abc") -> list[str]:
    """The lines that are printed, without the spaces at their ends."""
    text = io.StringIO()
    report = Report("photos/[x]", digest, was_split, COUNTS, findings, 1.26)
    show(report, Console(file=text, width=300))
    return [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]


def finding(severity: str, count: int, what: str = "item") -> Finding:
    items = tuple(f"{what} {number}" for number in range(count))
    return Finding(severity, "code", "a title", items)  # type: ignore[arg-type]


def test_counts_are_a_table_of_splits() -> None:
    lines = shown()

    assert lines[0].strip() == "3 classes"
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert cells == [
        ["train", "1,290", "40 Beagle", "50", "1200 [Pug]"],
        ["valid", "9", "3", "3", "3"],
        ["test", "16", "2 Beagle", "5", "9 [Pug]"],
    ]


def test_splits_that_were_made_here_are_said_to_be() -> None:
    assert shown(was_split=True)[0].strip() == "3 classes (splits made here)"


def test_good_set_ends_with_its_verdict_and_hash() -> None:
    assert shown()[-2:] == [
        "photos/[x]: fit to train on, 0 errors, 0 warnings; 1.3 s",
        "hash abc",
    ]


def test_set_without_a_hash_ends_with_its_verdict() -> None:
    assert shown(finding("warning", 1), digest=None)[-1] == (
        "photos/[x]: fit to train on, 0 errors, 1 warning; 1.3 s"
    )


def test_findings_are_counted_by_kind_and_shown_with_their_items() -> None:
    lines = shown(finding("error", 1), finding("error", 1), finding("warning", 2))

    assert lines[-9:-2] == [
        *["error code: 1 x a title", "    item 0"] * 2,
        "warning code: 2 x a title",
        "    item 0",
        "    item 1",
    ]
    assert lines[-2].endswith("not fit to train on, 2 errors, 1 warning; 1.3 s")


@pytest.mark.parametrize(("count", "more"), [(8, None), (9, "1"), (1508, "1,500")])
def test_eight_items_of_a_finding_are_shown(count: int, more: str | None) -> None:
    lines = shown(finding("warning", count))

    assert SHOWN == 8
    assert sum(line.startswith("    item") for line in lines) == 8
    said = [line for line in lines if "more (--json lists them all)" in line]
    assert said == ([] if more is None else [f"    and {more} more (--json lists them all)"])


@pytest.mark.parametrize(("length", "cut"), [(240, False), (241, True)])
def test_item_is_cut_after_240_characters_and_says_how_many_names_it_has(
    length: int, cut: bool
) -> None:
    item = ("a.jpg = b.jpg = " + "c" * 300)[:length]

    lines = shown(Finding("warning", "copy", "t", (item,)))

    assert f"    {item[:240]}{' ... (3)' if cut else ''}" in lines


def verified(folder: Path, files: dict[str, bytes]) -> Report:
    return verify(DataSet.open(write_files(folder, files)), lambda: None)


def test_class_of_ten_training_photos_is_not_small(tmp_path: Path) -> None:
    assert SMALL_CLASS == 10
    assert verified(tmp_path, small_set({"train": 10, "valid": 2, "test": 2})).findings == ()


def test_report_as_json_says_whether_the_set_is_fit_and_what_was_found(tmp_path: Path) -> None:
    files = small_set({"train": 9, "valid": 2, "test": 2})
    report = verified(tmp_path, files | {"test/001.Beagle/00.jpg": b"broken"})

    found = report.to_dict()

    assert found["ok"] is False
    assert found["root"] == str(tmp_path)
    assert found["was_split"] is False
    assert 0 < found["seconds"] < 60
    assert [(f["severity"], f["code"], f["title"]) for f in found["findings"]] == [
        ("error", "unreadable", "photos that cannot be decoded"),
        ("warning", "small-class", "classes with fewer than 10 training photos"),
    ]


def test_copies_over_splits_and_classes_are_a_leak_first(tmp_path: Path) -> None:
    files = small_set()
    files["test/002.Golden_retriever/copy.jpg"] = files["train/001.Beagle/00.jpg"]

    found = {f.code: (f.severity, f.title) for f in verified(tmp_path, files).findings}

    assert found == {"leak": ("error", "the same file in two splits")}


def test_empty_files_are_unreadable_and_no_copies(tmp_path: Path) -> None:
    files = small_set() | {"train/001.Beagle/x.jpg": b"", "test/001.Beagle/x.jpg": b""}

    assert [f.code for f in verified(tmp_path, files).findings] == ["unreadable"]


def test_table_is_drawn_with_its_heads_and_names_where_classes_differ() -> None:
    counts = {
        "Beagle": {"train": 40, "valid": 3, "test": 2},
        "Pug": {"train": 1200, "valid": 4, "test": 9},
        "Dhole": {"train": 50, "valid": 5, "test": 5},
        "Akita": {"train": 60, "valid": 6, "test": 6},
    }
    text = io.StringIO()
    show(Report("photos", "abc", False, counts, (), 1.26), Console(file=text, width=90))
    assert text.getvalue().splitlines()[:7] == [
        "4 classes                                                        ",
        "┏━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━━━━━━━┓",
        "┃ split ┃ photos ┃ fewest in a class ┃ median ┃ most in a class ┃",
        "┡━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━━━━━━┩",
        "│ train │  1,350 │         40 Beagle │     60 │        1200 Pug │",
        "│ valid │     18 │          3 Beagle │      5 │         6 Akita │",
        "│ test  │     22 │          2 Beagle │      6 │           9 Pug │",
    ]
