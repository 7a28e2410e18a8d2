"""training/requirements.txt, which a job installs, against the environment its tests run in."""

import tomllib
from pathlib import Path

from training.package.wheels import WHEELS

ROOT = Path(__file__).parents[3]

# In AWS's image already, or only for tests.
NOT_INSTALLED = {
    "torch",
    "torchvision",
    "sagemaker-training",
    "sagemaker-pytorch-training",
    "pytest",
}


def test_jobs_requirements_are_the_pins_its_tests_run_with() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted = {pin for pin in groups["job"] if pin.partition("==")[0] not in NOT_INSTALLED}
    lines = (ROOT / "training" / "requirements.txt").read_text().splitlines()
    assert {line for line in lines if line and not line.startswith("#")} == wanted


def test_wheels_in_the_package_are_the_pins_that_serving_is_tested_with() -> None:
    locked = (ROOT / "local" / "environments" / "project.txt").read_text().splitlines()
    pins = {line.partition(" ;")[0] for line in locked}
    assert {wheel.requirement for wheel in WHEELS} <= pins
