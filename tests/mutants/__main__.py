"""Change the code in many small ways, one at a time, and tell which changes no test notices.

    .venv/mutants/bin/python -m tests.mutants [--module training/fit/loop.py] [--sample 40] [--save]

Works in copies of the project, never in the project itself. Exit code: 0 when every module's tests
notice at least 90 % of its changes and each of the others has a reason in survivors.toml, 1 when
not, 2 when used wrongly.
"""

import argparse
import random
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.changes import changes
from tests.mutants.report import Outcome, Result, accepted, print_module, print_table, save
from tests.mutants.worker import BrokenTestsError, Worker

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SEED = 12
ENOUGH = 0.9


@dataclass(frozen=True)
class Target:
    """One module, the tests that belong to it, and the environment in which they run."""

    module: str
    tests: tuple[str, ...]
    environment: str
    select: str = ""


def targets(path: Path) -> tuple[list[Target], dict[str, list[str]]]:
    """Read targets.toml; the second part is each environment's libraries."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    modules = [
        Target(
            module,
            tuple(entry["tests"]),
            entry.get("environment", "project"),
            entry.get("select", ""),
        )
        for module, entry in table["modules"].items()
    ]
    return modules, {name: entry["libraries"] for name, entry in table["environments"].items()}


def examine(target: Target, worker: Worker, sample: int) -> Result:
    """Run the module's tests as they are, then once for each change."""
    all_changes = list(changes(target.module, ROOT))
    chosen = all_changes
    if 0 < sample < len(all_changes):
        chosen = random.Random(SEED).sample(all_changes, sample)
    untouched = worker.record(target)
    outcomes = [Outcome(change, worker.run(target, change, untouched)) for change in chosen]
    return Result(target.module, len(all_changes), outcomes)


def run(
    wanted: list[Target], libraries: dict[str, list[str]], jobs: int, sample: int
) -> Iterator[Result | BrokenTestsError]:
    """Examine modules side by side, each worker in its own copy; results in the modules' order."""
    idle: SimpleQueue[Worker] = SimpleQueue()

    def task(target: Target) -> Result | BrokenTestsError:
        worker = idle.get()
        try:
            return examine(target, worker, sample)
        except BrokenTestsError as error:
            return error
        finally:
            idle.put(worker)

    (ROOT / ".local").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=ROOT / ".local") as folder:
        workers = [Worker(ROOT, Path(folder) / str(n), libraries) for n in range(jobs)]
        for worker in workers:
            idle.put(worker)
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(task, wanted)
        for worker in workers:
            worker.close()


def main(argv: list[str] | None = None) -> int:
    """The command."""
    options = _options(argv)
    known, libraries = targets(HERE / "targets.toml")
    wanted = [t for t in known if not options.module or t.module in options.module]
    unknown = set(options.module) - {t.module for t in known}
    if unknown:
        print(f"{', '.join(sorted(unknown))}: not in tests/mutants/targets.toml", file=sys.stderr)
        return 2
    reasons = accepted(HERE / "survivors.toml")
    results: list[Result] = []
    unexplained = broken = 0
    for result in run(wanted, libraries, options.jobs, options.sample):
        if isinstance(result, BrokenTestsError):
            broken += 1
            print(result, flush=True)
        else:
            results.append(result)
            unexplained += print_module(result, reasons)
    print_table(results)
    print(f"{unexplained} survivors without a reason, {broken} modules with failing tests")
    if options.save:
        save(HERE / "results.json", results, options.sample)
    return 1 if broken or unexplained or any(r.noticed < ENOUGH for r in results) else 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests.mutants", description="Which changes no test notices"
    )
    parser.add_argument(
        "--module", action="append", default=[], help="a module of targets.toml; all by default"
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=0,
        help="changes of each module, drawn with a fixed seed; 0: all",
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument(
        "--save", action="store_true", help="keep the figures in tests/mutants/results.json"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
