"""The one error of this package that a user is meant to read."""


class DataError(Exception):
    """The data, their source or their destination cannot be used; the message says what to do."""
