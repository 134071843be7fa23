"""PostgreSQL for development and tests: the real server on a private unix socket, run by an ordinary account."""

import shutil
import signal
import subprocess
from pathlib import Path

import psutil

from development.accounts import Account, account_for, can_enter, folder_elsewhere, give, identity_of, private_folder
from development.children import ChildFailed, start_child, wait_until_ready
from development.embedded_server import EmbeddedServer
from development.errors import DevelopmentError
from development.postgres_binaries import postgres_programs
from development.processes import end_all, is_alive

# As in production the service's role owns its database and isn't the superuser; tests create databases with it.
ROLE_AND_DATABASE = b"CREATE ROLE app LOGIN CREATEDB;\nCREATE DATABASE app OWNER app;\n"

# Trust is enough: only the account can enter the folder of the socket, and no port is open.
INITDB = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale-provider=builtin"]
INITDB += ["--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
# As yet there is nothing in it that a crash of the machine could lose; waiting for the disk takes seconds.
INITDB += ["--no-sync"]

# Only for data that nobody will miss: a crash of the machine loses them.
# An autovacuum that is at work in a database keeps others from dropping it.
FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "autovacuum=off"]

# Nothing of the caller's environment (PGDATA, LC_ALL, ...) may change what the server does.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL with a database `app`."""

    name = "PostgreSQL"
    patience_seconds = 4

    @property
    def url(self) -> str:
        return f"postgresql://app@/app?host={self.sockets}"

    def start(self) -> None:
        account = account_for(self.folder)
        self.folder = _prepared(self.folder, account, is_throw_away=self.fast)
        programs = postgres_programs(account)
        end_leftover(self._data)
        try:
            if not self._data.exists():
                self._initialise(programs, account)
            self.sockets = private_folder(account)
            self._serve(programs, account)
        except DevelopmentError:
            self.stop()
            raise

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _initialise(self, programs: Path, account: Account | None) -> None:
        # Made under another name and renamed at the end, so that an interrupted first start leaves no half database.
        unfinished = self.folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _run([programs / "initdb", "-D", unfinished, *INITDB], account)
        _run([programs / "postgres", "--single", "-F", "-D", unfinished, "postgres"], account, typed=ROLE_AND_DATABASE)
        unfinished.rename(self._data)

    def _serve(self, programs: Path, account: Account | None) -> None:
        settings = ["listen_addresses=", f"unix_socket_directories={self.sockets}", *(FAST if self.fast else [])]
        log = self.folder / "server.log"
        child = start_child(
            self.name,
            [programs / "postgres", "-D", self._data, *(word for each in settings for word in ("-c", each))],
            environment=ENVIRONMENT,
            folder=self.folder,
            log=log,
            account=account,
            stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
        )
        self._keep(child)
        wait_until_ready(child, self._says_ready, within_seconds=60, log=log)

    def _says_ready(self) -> bool:
        # The eighth line of the server's own file is its state; that is also how pg_ctl waits.
        return _pid_file(self._data)[7:8] == ["ready"]


def end_leftover(data: Path) -> None:
    """Ends the server that a killed supervisor left on these data, and removes a file that only claims there is one."""
    lines = _pid_file(data)
    is_whole = len(lines) > 2 and lines[0].isdecimal() and lines[2].isdecimal()  # noqa: PLR2004 - those lines
    if is_whole and (leftover := _server_of(data, pid=int(lines[0]), started=int(lines[2]))):
        end_all([leftover], politely_with=signal.SIGINT, within_seconds=10)
    # PostgreSQL itself doesn't dare remove it once another process has got the number.
    (data / "postmaster.pid").unlink(missing_ok=True)


def _pid_file(data: Path) -> list[str]:
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text(errors="replace").splitlines()]
    except FileNotFoundError:
        return []


def _server_of(data: Path, *, pid: int, started: int) -> psutil.Process | None:
    """The process with this number, if it is the server of these data that was started then."""
    try:
        process = psutil.Process(pid)
        is_ours = abs(process.create_time() - started) < 5 and Path(process.cwd()) == data.resolve()  # noqa: PLR2004 - seconds
    except psutil.Error:
        return None
    return process if is_ours and is_alive(process) else None


def _prepared(folder: Path, account: Account | None, *, is_throw_away: bool) -> Path:
    """The folder, or one elsewhere if the account can't get to it; made, and the account's own."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not can_enter(folder.parent, account):
        if is_throw_away:
            return private_folder(account)
        folder = folder_elsewhere(folder.name)
    folder.mkdir(mode=0o700, exist_ok=True)
    give(folder, account)
    return folder


def _run(command: list[Path | str], account: Account | None, *, typed: bytes = b"") -> None:
    finished = subprocess.run(
        command,
        input=typed,
        env=ENVIRONMENT,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
        **identity_of(account),
    )
    if finished.returncode != 0:
        raise ChildFailed(f"{command[0]} failed:\n{finished.stdout.decode(errors='replace').strip()}")
