"""Print the slower tests that a change touches: `python -m tests.touched` for `make pr`.

The change is everything since this branch left `main` (or origin/main), with what is not committed.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = {
    "photo_reader/": ("tests/integration/photo_reader", "tests/integration/serving"),
    "serving/": ("tests/integration/serving",),
    "functions/classify/": ("tests/integration/function",),
    "functions/api/": ("tests/integration/page",),
    # In an environment of its own: `make pr` runs these last.
    "functions/api/api/static/": ("tests/page",),
    "page/": ("tests/integration/page", "tests/integration/template"),
    "functions/lister/": ("tests/e2e/test_backfill.py",),
    "functions/drift/": ("tests/e2e/test_operate.py",),
    "backfill/": ("tests/e2e/test_backfill.py", "tests/integration/template"),
    "Makefile": ("tests/integration/template",),
    "template.yaml": ("tests/integration/template",),
    "local/": ("tests/integration/local",),
    "operate/": ("tests/e2e/test_operate.py",),
    "pipeline/": ("tests/integration/template",),
    "training/data/": ("tests/integration/page/test_dataset.py",),
    "tours/": ("tests/e2e/test_demo.py", "tests/e2e/test_loop.py"),
}


def tests_of(changed: Iterable[str]) -> list[str]:
    """Folders of tests, and changed test files outside of them and of tests/unit; sorted."""
    names = list(changed)
    found = {
        test
        for name in names
        for start, tests in TESTS.items()
        if name.startswith(start)
        for test in tests
    }
    alone = {
        name
        for name in names
        if Path(name).name.startswith("test_")
        and name.startswith("tests/integration/")
        and not any(name.startswith(f"{folder}/") for folder in found)
    }
    return sorted(found | {name for name in alone if (ROOT / name).exists()})


def main() -> int:
    """Print them on one line."""
    print(*tests_of(_changed()))
    return 0


def _changed() -> list[str]:
    for trunk in ("origin/main", "main"):
        base = _git("merge-base", "HEAD", trunk)
        if base is not None:
            break
    else:
        print("neither origin/main nor main is known: only unit tests are run", file=sys.stderr)
        return []
    since = _git("diff", "--name-only", base.strip()) or ""
    new = _git("ls-files", "--others", "--exclude-standard") or ""
    return (since + new).splitlines()


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


if __name__ == "__main__":
    raise SystemExit(main())
