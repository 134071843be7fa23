"""The API key of this checkout, in a file that only its user can read. Needs only Python."""

import os
from pathlib import Path

KEY_FILE = Path(".run") / "api-key"

# An exit code unlike those of `app migrate`, after which the key may be made.
PREPARED_WITHOUT_KEY = 3


def read_key(project: Path) -> str | None:
    try:
        return (project / KEY_FILE).read_text().strip() or None
    except FileNotFoundError:
        return None


def keep_key(project: Path, key: str) -> None:
    unfinished = (project / KEY_FILE).with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{key}\n")
    unfinished.rename(project / KEY_FILE)
