"""A verification's report for people: bounded in length, whatever was found."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.data.folders import SPLITS
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
