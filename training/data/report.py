"""Reports for people, of a verification, a made version, or what changed: bounded in length,
whatever was found.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.data.changes import Changes, conflict_line
from training.data.folders import AUDIT, SPLITS
from training.data.verify import Finding, Report

# Items shown of a finding; the JSON report has them all.
SHOWN = 8
# Characters shown of an item: a group of copies may have hundreds of names.
_WIDTH = 240
_COLOURS = {"error": "red", "warning": "yellow"}


def show(report: Report, console: Console) -> None:
    """Print the counts, then each finding with its first few items, then the verdict."""
    console.print(_counts(report))
    for finding in report.findings:
        _show_finding(finding, console)
    errors = sum(finding.severity == "error" for finding in report.findings)
    warnings = len(report.findings) - errors
    verdict = "[red]not fit to train on[/red]" if errors else "[green]fit to train on[/green]"
    console.print(
        f"{escape(report.root)}: {verdict}, {_many(errors, 'error')}, "
        f"{_many(warnings, 'warning')}; {report.seconds:.1f} s",
        soft_wrap=True,
    )
    if report.hash:
        console.print(f"hash {report.hash}", soft_wrap=True)


def show_changes(changes: Changes, before: str, console: Console) -> None:
    """Print what is otherwise than in `before`: one line a kind, with its first few items."""
    console.print(f"Since {escape(before)}:", soft_wrap=True)
    for split, (old, new) in changes.counts.items():
        if old != new:
            console.print(f"  {split}: {old:,} -> {new:,} photos")
    for what, items in (
        ("new classes", changes.classes_added),
        ("classes gone", changes.classes_removed),
        ("photos added", changes.added),
        ("photos relabelled", changes.relabelled),
        ("photos removed", changes.removed),
        ("photos in another split", changes.moved),
        ("conflicts between reviewers, new", changes.conflicts_added),
        ("conflicts between reviewers, settled", changes.conflicts_removed),
    ):
        _show_items(what, items, "red" if items is changes.moved else "bold", console)
    if not changes:
        console.print("  nothing changed")


def show_version(manifest: Mapping[str, Any], console: Console) -> None:
    """Print what a made version holds, and what was left out with how often and why."""
    photos = manifest["photos"]
    places = Counter(each["name"].partition("/")[0] for each in photos)
    reviewed = sum(each["source"]["kind"] == "review" for each in photos)
    counts = ", ".join(f"{places[split]:,} {split}" for split in (*SPLITS, AUDIT))
    console.print(
        f"version {manifest['version']}: {len(manifest['classes'])} classes; {counts}; "
        f"{reviewed:,} photos from reviews",
        soft_wrap=True,
    )
    reasons: dict[str, list[str]] = {}
    for each in manifest["left_out"]:
        reasons.setdefault(each["code"], []).append(f"{each['key']}: {each['why']}")
    for code, items in sorted(reasons.items()):
        _show_items(f"left out, {code}", items, "yellow", console)
    conflicts = [conflict_line(each) for each in manifest["conflicts"]]
    _show_items("conflicts between reviewers", conflicts, "yellow", console)


def _show_items(what: str, items: Sequence[str], colour: str, console: Console) -> None:
    if not items:
        return
    console.print(f"  [{colour}]{what}[/{colour}]: {len(items):,}")
    for item in items[:SHOWN]:
        console.print(f"      {escape(item[:_WIDTH])}", soft_wrap=True)
    if items[SHOWN:]:
        console.print(f"      and {len(items) - SHOWN:,} more")


def _counts(report: Report) -> Table:
    made = " (splits made here)" if report.was_split else ""
    table = Table(title=f"{len(report.counts)} classes{made}", title_justify="left")
    for column in ("split", "photos", "fewest in a class", "median", "most in a class"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split in SPLITS:
        ordered = sorted((counts[split], label) for label, counts in report.counts.items())
        (least, small), (most, large) = ordered[0], ordered[-1]
        table.add_row(
            split,
            f"{sum(count for count, _ in ordered):,}",
            f"{least} {escape(small)}" if least < most else str(least),
            str(ordered[len(ordered) // 2][0]),
            f"{most} {escape(large)}" if least < most else str(most),
        )
    return table


def _show_finding(finding: Finding, console: Console) -> None:
    colour = _COLOURS[finding.severity]
    console.print(
        f"[{colour}]{finding.severity}[/{colour}] {finding.code}: "
        f"{len(finding.items):,} x {escape(finding.title)}"
    )
    for item in finding.items[:SHOWN]:
        text = item if len(item) <= _WIDTH else f"{item[:_WIDTH]} ... ({item.count(' = ') + 1})"
        console.print(f"    {escape(text)}", soft_wrap=True)
    if finding.items[SHOWN:]:
        console.print(f"    and {len(finding.items) - SHOWN:,} more (--json lists them all)")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
