"""`make run` in a new clone serves the default service, and leaves nothing behind but build/."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from development.bake import ROOT, copy_files, list_files
from tests.support.commands import outside_environment, run_make, start_make
from tests.support.running_service import RunningService, free_port, processes_of


@pytest.fixture
def clone(outside: Path) -> Iterator[Path]:
    """The checkout as a new clone has it."""
    folder = outside / "clone"
    copy_files(list_files(ROOT, (".",)), ROOT, target=folder)
    yield folder
    run_make(folder, "clean", timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_new_clone_serves_keeps_its_data_and_leaves_nothing_behind(clone: Path, outside: Path) -> None:
    home, temporary = outside / "home", outside / "tmp"
    home.mkdir()
    temporary.mkdir()
    before = files_outside_build(clone)

    with make_run(clone, home=home, temporary=temporary) as service:
        order = service.place_order()
        assert order in service.list_orders()
        service.stop()
    assert processes_of(outside) == []

    with make_run(clone, home=home, temporary=temporary) as service:
        assert order in service.list_orders()
        service.stop()
    assert processes_of(outside) == []

    assert files_outside_build(clone) == before
    assert [*home.rglob("*"), *temporary.rglob("*")] == []


def test_a_taken_port_is_said_before_anything_is_installed(clone: Path, outside: Path) -> None:
    log = outside / "run.log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start_make(clone, "run", f"PORT={port}", log=log, environment=outside_environment()) as process:
            process.wait(timeout=30)

    assert process.returncode != 0
    assert f"Port {port} is taken: stop what uses it" in log.read_text(encoding="utf-8")
    assert [path.name for path in (clone / "build").iterdir()] == ["pycache"]


@contextlib.contextmanager
def make_run(clone: Path, *, home: Path, temporary: Path) -> Iterator[RunningService]:
    """Run `make run PORT=…` with empty home and temporary folders, from the moment it is ready."""
    port, log = free_port(), clone.parent / "run.log"
    environment = outside_environment(
        HOME=str(home),
        TMPDIR=str(temporary),
        MANAGEMENT_PORT=str(free_port()),
        # Where packages come from may be said in the real home folder, which is only read.
        XDG_CONFIG_HOME=os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config"),
        # pip asks rustc for its version, and rustup would settle in the empty home folder for that.
        RUSTUP_HOME=os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup"),
    )
    with start_make(clone, "run", f"PORT={port}", log=log, environment=environment) as process:
        service = RunningService(process, port=port, log=log)
        service.wait_until_ready()
        yield service


def files_outside_build(clone: Path) -> dict[str, bytes]:
    """Return what every file of the clone holds, those that commands may make excepted."""
    return {
        path.relative_to(clone).as_posix(): path.read_bytes()
        for path in clone.rglob("*")
        if path.is_file() and path.relative_to(clone).parts[0] != "build"
    }
