"""The two ways in which a command ends badly; the words say what, where, and what to do."""

from __future__ import annotations


class UsageError(Exception):
    """The command was used wrongly: a wrong option, file or configuration. Exit code 2."""


class CommandError(Exception):
    """Something failed: a job, a deployment, a prediction. Exit code 1."""
