"""Where values come from: the environment, files named by it, a folder of secrets, `.env`."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic_settings import BaseSettings, EnvSettingsSource

# Docker and Kubernetes mount secrets here, one file for each.
SECRETS_FOLDER = Path("/run/secrets")

# The environment in which `.env` is read.
DEVELOPMENT = "development"

# A Kubernetes service called `management` sets MANAGEMENT_PORT=tcp://10.0.0.7:80 in every pod of its namespace.
SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")


class Variables(EnvSettingsSource):
    """Reads settings from a mapping of variables, and only those that we know.

    Left to itself pydantic-settings would read a variable called DATABASE as the JSON of that section.
    """

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str], *, names: Iterable[str]) -> None:
        super().__init__(settings_cls)
        known = {name: variables[name] for name in names if variables.get(name)}
        self.env_vars = {name.lower(): value for name, value in known.items() if not is_service_link(name, value)}


def is_service_link(name: str, value: str) -> bool:
    """Whether the value is an address that the platform injected, and no port of ours."""
    return name.endswith("_PORT") and SERVICE_LINK.match(value) is not None


def variables(settings_cls: type[BaseSettings], *, names: Iterable[str]) -> list[Variables]:
    """The sources, the strongest first."""
    return [Variables(settings_cls, found, names=names) for found in (os.environ, secret_files(names), dotenv_file())]


def secret_files(names: Iterable[str]) -> dict[str, str]:
    """Values from `NAME_FILE`, then from the folder of secrets, whose files are called like the variables."""
    found = {}
    for name in names:
        texts = [text for path in candidates(name) if (text := text_of(path)) is not None]
        if texts:
            found[name] = texts[0]
    return found


def text_of(path: Path) -> str | None:
    """What stands in the file, without the line's end; None if it cannot be read or is no text."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def candidates(name: str) -> list[Path]:
    """The files that may hold a variable's value."""
    named = os.environ.get(f"{name}_FILE")
    return [Path(named)] if named else [SECRETS_FOLDER / name, SECRETS_FOLDER / name.lower()]


def missing_files(names: Iterable[str]) -> list[str]:
    """A sentence for each `NAME_FILE` that gives nothing."""
    asked = {f"{name}_FILE": os.environ.get(f"{name}_FILE") for name in names}
    return [
        f"{name} names {path}, which is not a readable text file."
        for name, path in asked.items()
        if path and text_of(Path(path)) is None
    ]


def dotenv_file() -> dict[str, str]:
    """`.env` of the working folder, in development only: a forgotten file must not configure production."""
    outside = os.environ.get("ENVIRONMENT") or secret_files(["ENVIRONMENT"]).get("ENVIRONMENT")
    if (outside or DEVELOPMENT) != DEVELOPMENT:
        return {}
    return {name: value for name, value in dotenv_values(".env").items() if value}


def misplaced_environment() -> list[str]:
    """A sentence if `.env`, which is for development, says that this is something else."""
    is_misplaced = dotenv_file().get("ENVIRONMENT", DEVELOPMENT) != DEVELOPMENT
    return ["ENVIRONMENT is set in .env, which is read in development only: set it outside."] if is_misplaced else []
