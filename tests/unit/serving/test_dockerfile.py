"""The slim image's Dockerfile: everything in it is pinned, and fits the package and the tests."""

import re
import tomllib
from pathlib import Path

import pytest

from rigs.box import PREFIX, SERVING
from rigs.dockerfile import Copy, read
from serving.host import DEFAULT_MODEL_DIR
from training.package.wheels import IMAGE_PYTHON, WHEELS

IMAGE = read(SERVING / "Dockerfile")
REQUIREMENTS = (SERVING / "requirements.txt").read_text()
PINS = dict(re.findall(r"^([\w-]+)==(\S+)", REQUIREMENTS, re.MULTILINE))


def test_base_is_pinned_by_digest_and_has_the_python_of_the_other_image() -> None:
    found = re.fullmatch(
        r"docker\.io/library/python:(\S+)-slim-\w+@sha256:[0-9a-f]{64}", IMAGE.base
    )
    assert found
    assert found[1].startswith(IMAGE_PYTHON + ".")


def test_every_package_is_pinned_by_version_and_hash() -> None:
    entries = re.split(r"\n(?=\S)", REQUIREMENTS.strip())
    assert len(entries) == len(PINS) > 5
    for entry in entries:
        assert re.match(r"[\w-]+==[\w.]+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\\n)?)+$", entry), (
            entry
        )


def test_packages_are_those_of_pyproject_and_of_the_package() -> None:
    """Whichever host: the same versions of what computes an answer."""
    groups = tomllib.loads((SERVING.parent / "pyproject.toml").read_text())["dependency-groups"]
    direct = dict(pin.split("==") for pin in groups["image"])
    assert direct.items() <= PINS.items()
    travelling = dict(wheel.requirement.split("==") for wheel in WHEELS)
    # See `lock` in the Makefile.
    assert travelling.keys() - PINS.keys() == {"openvino-telemetry"}
    shared = travelling.keys() & PINS.keys()
    assert {name: PINS[name] for name in shared} == {name: travelling[name] for name in shared}
    for pin in groups["project"]:
        name, _, version = pin.partition("==")
        if name in direct and "python_version < " not in pin:
            assert version.partition(" ;")[0] == direct[name]


def test_installation_takes_nothing_that_is_not_listed() -> None:
    (install,) = (step for step in IMAGE.steps if isinstance(step, str))
    wanted = ("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-cache-dir")
    assert set(wanted) <= set(install.split())


def test_image_runs_as_nobody_and_starts_as_sagemaker_starts_it() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", IMAGE.user)  # a number can be checked from outside
    assert IMAGE.command == ["serve"]
    assert IMAGE.ports == ["8080"]
    script = (SERVING / "serve.sh").read_text()
    (start,) = (line for line in script.splitlines() if line.startswith("exec "))
    assert start == (
        f"exec python -m serving --model-dir {DEFAULT_MODEL_DIR} --host 0.0.0.0 --port 8080"
    )
    assert IMAGE.environment["PYTHONPATH"] == f"{DEFAULT_MODEL_DIR}/code"


def test_copied_files_exist_and_stay_within_the_prefix_that_the_tests_stand_in_for() -> None:
    copies = [step for step in IMAGE.steps if isinstance(step, Copy)]
    for copy in copies:
        assert (SERVING / copy.source).is_file()
        assert Path(copy.target).is_relative_to(PREFIX)
    assert [copy.mode for copy in copies if copy.target == f"{PREFIX}/bin/serve"] == [0o755]


@pytest.mark.parametrize(
    "text", ["ONBUILD RUN true", "COPY --from=other a /usr/local/a", "RUN --mount=type=cache true"]
)
def test_instruction_that_the_tests_could_not_follow_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\n{text}\n")
    with pytest.raises(ValueError, match="known here"):
        read(tmp_path / "Dockerfile")
