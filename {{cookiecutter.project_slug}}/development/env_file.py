"""The `.env` of this checkout: written once with fresh secrets, never overwritten, never committed."""

import os
import re
import secrets
from pathlib import Path

from dotenv import dotenv_values

# SECRET_KEY is the service's; compose.yaml gives the other to the database that it starts.
SECRETS = ("SECRET_KEY", "POSTGRES_PASSWORD")


def write_env_file(folder: Path) -> bool:
    """From `.env.example` if there is one; False when there is a `.env` already."""
    example = folder / ".env.example"
    text = with_fresh_secrets(example.read_text() if example.exists() else "")
    try:
        descriptor = os.open(folder / ".env", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return True


def with_fresh_secrets(text: str) -> str:
    """Fills in the secrets, commented out or not."""
    for name in SECRETS:
        line = f"{name}={secrets.token_hex(32)}"  # hex needs no escape in a URL
        text, found = re.subn(rf"^#?[ ]*{name}=.*$", line, text, count=1, flags=re.MULTILINE)
        text = text if found else f"{text}{line}\n"
    return text


def variables_of(folder: Path) -> dict[str, str]:
    """What the service will see: the environment wins over the file, and an empty value is none."""
    from_file = dotenv_values(folder / ".env")
    return {name: value for name, value in (from_file | dict(os.environ)).items() if value}


if __name__ == "__main__":
    if write_env_file(Path.cwd()):
        print("Wrote .env with fresh secrets.")
