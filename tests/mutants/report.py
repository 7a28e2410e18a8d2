"""What is printed and kept of a run."""

import json
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.changes import Change


@dataclass(frozen=True)
class Outcome:
    """One change and what its tests said: `killed`, `survived` or `timeout`."""

    change: Change
    status: str


@dataclass(frozen=True)
class Result:
    """One module: of `possible` changes those that were tried."""

    module: str
    possible: int
    outcomes: list[Outcome]

    @property
    def counts(self) -> Counter[str]:
        """Changes by status."""
        return Counter(outcome.status for outcome in self.outcomes)

    @property
    def noticed(self) -> float:
        """The share of changes after which a test fails, or never ends."""
        return 1 - self.counts["survived"] / len(self.outcomes) if self.outcomes else 1.0

    def line(self) -> str:
        """A row of the table."""
        counts = self.counts
        numbers = [
            self.possible,
            len(self.outcomes),
            counts["killed"],
            counts["timeout"],
            counts["survived"],
        ]
        return f"{self.module:48}" + "".join(f"{n:10}" for n in numbers) + f"{self.noticed:9.0%}"


@dataclass(frozen=True)
class Reason:
    """Why a change may go unnoticed. Without `after` it speaks of every change of that line."""

    module: str
    function: str
    before: str
    after: str | None
    reason: str

    def covers(self, change: Change) -> bool:
        """Is it about this one?"""
        where = (self.module, self.function, self.before) == change.key[:3]
        return where and self.after in (None, change.after)


def accepted(path: Path) -> list[Reason]:
    """Read survivors.toml."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Reason(r["module"], r.get("function", ""), r["before"], r.get("after"), r["reason"])
        for r in table.get("survivor", [])
    ]


def print_table(results: list[Result]) -> None:
    """All modules, and their sum."""
    columns = ("possible", "tried", "killed", "timeout", "survived")
    print(f"\n{'module':48}" + "".join(f"{c:>10}" for c in columns) + f"{'noticed':>9}")
    for result in results:
        print(result.line())
    every = Result(
        "all", sum(r.possible for r in results), [o for r in results for o in r.outcomes]
    )
    print(every.line())


def print_unnoticed(results: list[Result], reasons: list[Reason]) -> int:
    """Survivors without a reason, whose number is returned; then reasons that nothing needs."""
    used: set[Reason] = set()
    unexplained = []
    for outcome in (o for r in results for o in r.outcomes if o.status == "survived"):
        covering = [reason for reason in reasons if reason.covers(outcome.change)]
        used.update(covering)
        if not covering:
            unexplained.append(outcome.change)
    print(f"\n{len(unexplained)} unnoticed without a reason in tests/mutants/survivors.toml")
    for change in unexplained:
        print(
            f"{change.module}:{change.line} {change.function}\n"
            f"    - {change.before}\n    + {change.after}"
        )
    whole = {r.module for r in results if len(r.outcomes) == r.possible}
    for reason in reasons:
        if reason.module in whole and reason not in used:
            print(
                "survivors.toml: no longer needed: "
                f"{reason.module} {reason.function}: {reason.before}"
            )
    return len(unexplained)


def save(path: Path, results: list[Result], sample: int) -> None:
    """Keep the figures, and what went unnoticed."""
    modules: dict[str, Any] = {
        r.module: {
            "possible": r.possible,
            "tried": len(r.outcomes),
            **{status: r.counts[status] for status in ("killed", "timeout", "survived")},
            "noticed": round(r.noticed, 3),
        }
        for r in results
    }
    text = json.dumps({"sample": sample, "modules": modules}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
