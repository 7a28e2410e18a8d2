"""What is printed and kept of a run."""

import json
import sys
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


def print_module(result: Result, reasons: list[Reason]) -> int:
    """The module's row, its survivors without a reason, and reasons that it no longer needs.

    Returns how many survivors have no reason.
    """
    print(result.line())
    survivors = [o.change for o in result.outcomes if o.status == "survived"]
    own = [reason for reason in reasons if reason.module == result.module]
    unexplained = [c for c in survivors if not any(reason.covers(c) for reason in own)]
    for change in unexplained:
        where = f"{change.module}:{change.line} {change.function}"
        print(f"  {where}\n    - {change.before}\n    + {change.after}")
    if len(result.outcomes) == result.possible:
        for reason in own:
            if not any(reason.covers(change) for change in survivors):
                print(f"  not needed in survivors.toml: {reason.function}: {reason.before}")
    sys.stdout.flush()
    return len(unexplained)


def save(path: Path, results: list[Result], sample: int) -> None:
    """Keep the figures of these modules, and leave those of others as they are."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    modules = kept.setdefault("modules", {})
    for result in results:
        modules[result.module] = {
            "possible": result.possible,
            "tried": len(result.outcomes),
            **{status: result.counts[status] for status in ("killed", "timeout", "survived")},
            "noticed": round(result.noticed, 3),
            "sample": sample,
        }
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
