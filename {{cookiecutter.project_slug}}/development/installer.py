"""The environment in which pip and uv run: a user's indexes and proxies, none of their other settings."""

import ast
import os
import re
import subprocess
from pathlib import Path

# What says where packages come from is kept; the rest could install them elsewhere.
PIP_SETTINGS = {"index-url", "extra-index-url", "find-links", "no-index", "proxy", "cert", "client-cert"}
PIP_SETTINGS |= {"trusted-host", "timeout", "default-timeout", "retries", "cache-dir"}
UV_SETTINGS = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX.*|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER|NATIVE_TLS|SYSTEM_CERTS|INSECURE_HOST"
    r"|HTTP_TIMEOUT|HTTP_RETRIES|CACHE_DIR|CONFIG_FILE|OFFLINE)"
)

# uv doesn't read pip's files; who told pip where packages are shouldn't have to say it again.
SAID_TO_PIP = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}

# Another environment's, or of a kind that pip and uv obey.
MISLEADING = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_")


def installer_environment(venv: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if _is_harmless(name)}
    pip = _pip_settings(venv / "bin" / "python")
    return (
        {uv_name: pip[name] for name, uv_name in SAID_TO_PIP.items() if name in pip}
        | kept
        | {_pip_variable(name): value for name, value in pip.items()}
        | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
        # Hashes decide what is accepted, so it doesn't matter which index has it.
        | {"UV_PYTHON_DOWNLOADS": "never", "UV_INDEX_STRATEGY": "unsafe-best-match"}
        | _link_mode(venv, kept)
    )


def _is_harmless(name: str) -> bool:
    return not name.startswith(MISLEADING) or UV_SETTINGS.fullmatch(name) is not None


def _pip_settings(python: Path) -> dict[str, str]:
    """From pip's files and variables, in its own order of precedence."""
    command = [str(python), "-I", "-m", "pip", "config", "list"]
    # Its own list is asked for without the variables that don't count, because one it can't read makes it fail.
    heard = {"PIP_CONFIG_FILE", *map(_pip_variable, PIP_SETTINGS)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_") or name in heard}
    listed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = listed.stdout.splitlines()
    found = (re.fullmatch(r"(?:global|install|:env:)\.([a-z-]+)=('.*'|\".*\")", line) for line in lines)
    said = {match[1]: ast.literal_eval(match[2]) for match in found if match and match[1] in PIP_SETTINGS}
    # A file may have several addresses on several lines.
    return {name: " ".join(value.split()) for name, value in said.items()}


def _pip_variable(setting: str) -> str:
    return f"PIP_{setting.upper().replace('-', '_')}"


def _link_mode(venv: Path, environment: dict[str, str]) -> dict[str, str]:
    """uv links files from its cache; across two disks it can't and warns, unless it is told to copy."""
    caches = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(environment.get("UV_CACHE_DIR") or caches / "uv")
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return {} if existing.stat().st_dev == venv.stat().st_dev else {"UV_LINK_MODE": "copy"}
