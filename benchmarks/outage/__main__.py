"""What an outage costs: `make benchmark NAME=outage`.

Length of outage, or kind of poison photo, against photos late, dead letters and endpoint calls: the
real function in simulated time (see simulation.py), 100 photos each. Beside it what the same
function does when nobody spaces its tries: five, 360 s apart. Writes outage.json.
"""

import os
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.function_import import ENVIRONMENT
from benchmarks.outage import simulation
from benchmarks.outage.simulation import Endpoint, Run
from benchmarks.report import ROOT, write

PHOTOS, POISONS = 100, 3
UNSPACED_RECEIVES = 5
MINUTE_S, HOUR_S = 60.0, 3600.0


@dataclass(frozen=True)
class Scenario:
    """`outage_s` 0: the endpoint is well, but for what poison does to it."""

    name: str
    outage_s: float
    endpoint: Endpoint
    uploads: Mapping[str, float]
    deadly: bool = False

    def run(self, spaced: bool = True) -> Run:
        return simulation.simulate(
            self.uploads,
            self.endpoint,
            deadly=simulation.is_poison if self.deadly else lambda _key: False,
            spaced=spaced,
            max_receives=simulation.MAX_RECEIVES if spaced else UNSPACED_RECEIVES,
        )


@dataclass(frozen=True)
class Figures:
    """Of good photos: seconds from the outage's end (or the upload) to the row, and dead letters.

    `told_s`: until a photo has failed five times, which is what the alarm counts; `poison_dead_h`:
    until the last poison photo is in the dead-letter queue.
    """

    late_p50_s: float
    late_max_s: float
    dead: int
    calls: int
    invocations: int
    most_receives: int
    told_s: float | None
    poison_dead_h: float | None


def outage(name: str, outage_s: float, fault: Endpoint) -> Scenario:
    uploads = simulation.steadily(PHOTOS, outage_s)
    return Scenario(name, outage_s, simulation.until(outage_s, fault), uploads)


def poison(name: str, fault: Endpoint | None) -> Scenario:
    uploads = simulation.with_poison(PHOTOS - POISONS, POISONS)
    endpoint = simulation.for_poison(fault) if fault else simulation.until(0, simulation.gone)
    return Scenario(name, 0, endpoint, uploads, deadly=fault is None)


SCENARIOS = (
    outage("no endpoint for 1 min", MINUTE_S, simulation.gone),
    outage("no endpoint for 10 min", 10 * MINUTE_S, simulation.gone),
    outage("no endpoint for 30 min", 30 * MINUTE_S, simulation.gone),
    outage("no endpoint for 2 h", 2 * HOUR_S, simulation.gone),
    outage("no endpoint for 12 h", 12 * HOUR_S, simulation.gone),
    outage("no endpoint for 24 h", 24 * HOUR_S, simulation.gone),
    outage("throttled for 10 s", 10, simulation.throttled),
    outage("throttled for 10 min", 10 * MINUTE_S, simulation.throttled),
    outage("unreachable for 30 min", 30 * MINUTE_S, simulation.unreachable),
    outage("crashing model for 30 min", 30 * MINUTE_S, simulation.crashing),
    outage("hanging model for 30 min", 30 * MINUTE_S, simulation.hanging),
    poison("poison, fails at once", simulation.crashing),
    poison("poison, hangs for 20 s", simulation.hanging),
    poison("poison, ends the process", None),
)


def figures(scenario: Scenario, run: Run) -> Figures:
    good = [key for key in scenario.uploads if not simulation.is_poison(key)]
    rows_s = run.cloud.rows_s
    late = [
        rows_s[key] - max(scenario.outage_s, scenario.uploads[key]) for key in good if key in rows_s
    ]
    poison_dead_s = [s for key, s in run.dead_s.items() if simulation.is_poison(key)]
    return Figures(
        late_p50_s=statistics.median(late) if late else 0.0,
        late_max_s=max(late, default=0.0),
        dead=sum(key in run.dead_s for key in good),
        calls=run.cloud.calls,
        invocations=run.invocations,
        most_receives=run.most_receives,
        told_s=run.cloud.told_s,
        poison_dead_h=max(poison_dead_s) / HOUR_S if poison_dead_s else None,
    )


def _told(value: float | None, form: Callable[[float], str]) -> str:
    return "" if value is None else form(value)


def main() -> int:
    os.environ.update(ENVIRONMENT)
    sys.path.insert(0, str(ROOT / "functions" / "classify"))
    measured = {
        scenario.name: (
            figures(scenario, scenario.run()),
            figures(scenario, scenario.run(spaced=False)),
        )
        for scenario in track(SCENARIOS, "Simulating")
    }
    table = Table(title=f"{PHOTOS} photos each, in simulated time", title_justify="left")
    table.add_column("what is wrong")
    for column in (
        "late p50",
        "late max",
        "dead",
        "calls",
        "most tries",
        "told after",
        "poison dead after",
        "dead, five tries 360 s apart",
    ):
        table.add_column(column, justify="right")
    for name, (spaced, unspaced) in measured.items():
        table.add_row(
            name,
            f"{spaced.late_p50_s:.0f} s",
            f"{spaced.late_max_s:.0f} s",
            str(spaced.dead),
            str(spaced.calls),
            str(spaced.most_receives),
            _told(spaced.told_s, lambda s: f"{s:.0f} s"),
            _told(spaced.poison_dead_h, lambda h: f"{h:.1f} h"),
            str(unspaced.dead),
        )
    Console(width=140).print(table)
    write(
        "outage",
        {
            "photos": PHOTOS,
            "poison": POISONS,
            "scenarios": {
                name: {"spaced": asdict(spaced), "five_tries_360_s_apart": asdict(unspaced)}
                for name, (spaced, unspaced) in measured.items()
            },
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
