"""What ends a training job with a reason that its owner can act on."""


class JobError(Exception):
    """The job cannot go on; the message says what is wrong, where, and what to do about it."""
