"""What can go wrong in development, said to whoever ran the command."""


class DevelopmentError(Exception):
    """Its text is one message that says what to do; commands print it and exit with 1."""


class SetUpFailed(DevelopmentError):
    """The environment can't be made as things are."""
