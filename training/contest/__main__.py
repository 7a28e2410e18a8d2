"""`python -m training.contest CHAMPION CHALLENGER DATA`: may the challenger take its place?

    CHAMPION, CHALLENGER   model packages: model.tar.gz, or the folder that it unpacks to
    DATA                   the data set: its test split and, where it has one, audit/ are answered
    --out FOLDER           gets contest.json and contest.html
    --margin 0.02          what the challenger may lose of all test photos

Exit codes: 0 better or not worse, 1 refused (it says why) or failed, 2 used wrongly.
"""

import argparse
import json
import sys
from pathlib import Path

from serving.package import PackageError
from training.contest.answers import answer, photos_of
from training.contest.report import page
from training.contest.verdict import MARGIN, Contest, judge
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.errors import JobError

RESULT, REPORT = "contest.json", "contest.html"


def main(arguments: list[str] | None = None) -> int:
    """Compare, write both files, print the verdict; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    try:
        contest = run(
            options.champion, options.challenger, options.data, options.out, options.margin
        )
    except (JobError, DataError, PackageError) as error:
        print(error, file=sys.stderr)
        return 1
    for side, told in (("champion", contest.champion), ("challenger", contest.challenger)):
        print(
            f"{side} {told.version}: {told.top1.hits} of {told.top1.n} test photos right "
            f"({told.top1.value:.2%}), calibration error {told.ece:.3f}"
        )
    if contest.added:
        words = ", ".join(f"{name} {s.hits}/{s.n}" for name, s in contest.added.items())
        print(f"breeds that only the challenger knows, reported apart: {words}")
    print(f"{contest.word}: {contest.reason}")
    print(f"see {options.out / REPORT}")
    return 1 if contest.word == "refused" else 0


def run(champion: Path, challenger: Path, data: Path, out: Path, margin: float) -> Contest:
    """Raises JobError, DataError or PackageError where there is nothing to compare."""
    test, audit = photos_of(DataSet.open(data))
    old, new = (answer(package, [*test, *audit]) for package in (champion, challenger))
    contest = judge(old, new, test, audit, margin)
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULT).write_text(json.dumps(contest.to_json(), indent=2) + "\n", encoding="utf-8")
    (out / REPORT).write_text(page(contest, old, new), encoding="utf-8")
    return contest


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.contest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("champion", "challenger"):
        parser.add_argument(name, type=_existing)
    parser.add_argument("data", type=_existing)
    parser.add_argument("--out", type=Path, default=Path(".local/contest"))
    parser.add_argument("--margin", type=_share, default=MARGIN)
    return parser


def _existing(text: str) -> Path:
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"{text} does not exist")
    return Path(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share: expected 0 to 1, 0.02 is 2 points")
    return value


if __name__ == "__main__":
    sys.exit(main())
