"""Serves the whole service on this machine and ends all of it again: the one process behind `make run`."""

import argparse
import sys
from pathlib import Path

from development.errors import DevelopmentError
from development.locks import held
from development.supervisor import StopRequested, Supervisor


class AlreadyRunning(DevelopmentError):
    """Another supervisor works in this folder."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reload", action="store_true", help="start anew when a source file changes")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # said when it happens, also into a file
    project = Path.cwd()
    try:
        # Two supervisors would fight over the data.
        with held(project / ".run" / "lock", when_taken=refuse), Supervisor(project) as supervisor:
            supervisor.serve(reload=arguments.reload)
    except StopRequested:
        print("Stopped; nothing is left running.")
    except DevelopmentError as error:
        sys.exit(f"\n{error}")
    except PermissionError as error:
        sys.exit(f"\n{error.filename} belongs to another user, who can remove it with make clean.")


def refuse() -> None:
    raise AlreadyRunning("The service is already running from this folder: stop that one first.")


if __name__ == "__main__":
    main()
