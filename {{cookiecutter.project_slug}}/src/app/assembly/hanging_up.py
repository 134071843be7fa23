"""What the end of a terminal, or of the connection to it, means to a process."""

import signal


def hang_up() -> list[signal.Signals]:
    """SIGHUP is a wish to end like SIGTERM, unless whoever started the process wants it to stay (`nohup`)."""
    return [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
