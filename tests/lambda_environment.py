"""A process that is a function's for a while."""

from collections.abc import Mapping

import pytest

# What a developer's shell may have, and Lambda does not or not with these meanings.
_ABSENT = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "LAMBDA_TASK_ROOT")


def set_environment(patch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        patch.setenv(name, value)
    for name in _ABSENT:
        patch.delenv(name, raising=False)
