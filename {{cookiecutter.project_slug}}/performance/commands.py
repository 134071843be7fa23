"""What the two commands have in common: how they speak, and how they end."""

import signal
import sys
from collections.abc import Callable

from app.settings import ConfigurationError
from development.errors import DevelopmentError


def run_command(command: Callable[[], int]) -> None:
    """Ends this process with the command's exit code, or with a sentence; whatever it started has ended then."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # said when it happens, also into a file
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(command())
    except (DevelopmentError, ConfigurationError) as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped; nothing is left running.")
