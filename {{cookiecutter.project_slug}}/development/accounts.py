"""Which account a server runs as (PostgreSQL refuses root), and which folders that account can reach."""

import hashlib
import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from development.errors import DevelopmentError

PROJECT = Path(__file__).resolve().parent.parent

# A unix socket's path may have about 100 characters (104 on macOS, 108 on Linux), of which names take some 40.
LONGEST_TEMPORARY_FOLDER = 60


class NoUsableFolder(DevelopmentError):
    """No folder can be had that the server's account may use."""


@dataclass(frozen=True)
class Account:
    """Somebody other than the caller; only root can start a process as an account."""

    uid: int
    gid: int


class Identity(TypedDict):
    """What `subprocess` wants to know; None leaves the caller's."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


def identity_of(account: Account | None) -> Identity:
    if account is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def account_for(data_folder: Path) -> Account | None:
    """None means the caller. Root becomes the owner of the data, or `nobody` when there are none yet."""
    if os.geteuid() != 0:
        return None
    if data_folder.exists() and (owner := data_folder.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def can_enter(folder: Path, account: Account | None) -> bool:
    """Asks the system itself, because access lists and mounts say more than the mode."""
    if account is None:
        return True
    try:
        entered = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1"', "sh", folder],
            cwd="/",
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=10,
            **identity_of(account),
        )
    except PermissionError:
        raise NoUsableFolder(
            "PostgreSQL doesn't run as root, and this container lets root become nobody else: "
            "run it as an ordinary user, or set DATABASE_URL to a server of yours."
        ) from None
    return entered.returncode == 0


def folder_elsewhere(name: str) -> Path:
    """A folder for this checkout that every account can reach and that survives a restart; `make clean` removes it."""
    home = home_elsewhere()
    home.mkdir(mode=0o755, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.geteuid():
        raise NoUsableFolder(f"{home} belongs to somebody else: remove it, or set DATABASE_URL to a server of yours.")
    home.chmod(0o755)  # whatever the umask says
    return home / name


def home_elsewhere() -> Path:
    checkout = hashlib.sha256(os.fsencode(PROJECT)).hexdigest()[:16]
    return Path("/var/tmp") / f"prodready-{checkout}"  # noqa: S108 (the owner is checked above)


def private_folder(account: Account | None) -> Path:
    """A new folder that only the account can enter, with a path short enough for a unix socket."""
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - made private below
        if len(str(parent)) <= LONGEST_TEMPORARY_FOLDER and can_enter(parent, account):
            folder = Path(tempfile.mkdtemp(prefix="prodready-", dir=parent))
            give(folder, account)
            return folder
    raise NoUsableFolder("There is no usable temporary folder: set TMPDIR to a short path that all users can enter.")


def give(path: Path, account: Account | None) -> None:
    if account:
        os.chown(path, account.uid, account.gid)
