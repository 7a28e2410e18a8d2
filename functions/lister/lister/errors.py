"""What ends a turn badly. Step Functions sees the class's name: see backfill/template.yaml."""


class RefusedError(Exception):
    """Trying again will not help: no permission, no such bucket, a job that cannot be read."""


class AgainError(Exception):
    """It may work the next time: the state machine tries the turn again."""
