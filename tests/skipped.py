"""Print which tests were skipped, and why: the last lines of `make test`.

`python -m tests.skipped FILE`, the file that tests/conftest.py wrote: a test and its reason a line.
"""

import sys
from collections import defaultdict
from pathlib import Path


def summary(lines: list[str]) -> list[str]:
    """One line a reason, with its tests below it."""
    if not lines:
        return ["No test was skipped."]
    tests = defaultdict(list)
    for line in lines:
        test, _, reason = line.partition("\t")
        tests[reason].append(test)
    found = [f"Skipped: {len(lines)}"]
    for reason, names in sorted(tests.items()):
        found += [f"- {reason}", *(f"    {name}" for name in sorted(names))]
    return found


if __name__ == "__main__":
    file = Path(sys.argv[1])
    skipped = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    print(*summary(skipped), sep="\n")
