"""`make run` and `make bench` of the template: generate the default service into build/ and become its own command."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from development.bake import ROOT, bake_checkout, refresh

BUILD = ROOT / "build"


def main() -> None:
    target = sys.argv[1] if len(sys.argv) > 1 else "run"
    print("Generating the default service into build/", flush=True)
    service = generate_default_service()
    # One process from here on: a signal to make reaches the service's supervisor.
    os.execvpe("make", ["make", "--no-print-directory", "-C", str(service), target], service_environment())  # noqa: S606


def generate_default_service() -> Path:
    """Bring build/ up to date with the template; the data of an earlier run stays."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        fresh = bake_checkout(Path(scratch), answers={})
        kept = BUILD / fresh.name
        refresh(fresh, kept)
    return kept


def service_environment() -> dict[str, str]:
    """Return our environment without what is only for the template's own Python."""
    own = {"PYTHONPATH", "PYTHONPYCACHEPREFIX"}
    return {name: value for name, value in os.environ.items() if name not in own}


if __name__ == "__main__":
    main()
