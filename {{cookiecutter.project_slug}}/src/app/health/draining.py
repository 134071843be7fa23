"""Whether this process is on its way out."""


class Draining:
    """Turns on when the process is asked to stop: still serving, but no longer to be sent requests."""

    def __init__(self) -> None:
        self.has_begun = False

    def begin(self) -> None:
        """There is no way back: the process ends soon."""
        self.has_begun = True
