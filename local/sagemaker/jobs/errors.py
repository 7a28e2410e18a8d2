"""What ends a training job as Failed."""

from __future__ import annotations


class JobError(Exception):
    """The job cannot go on. The message is its FailureReason, as AWS words it."""
