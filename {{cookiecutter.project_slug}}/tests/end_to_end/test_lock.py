"""The committed requirements are in step with pyproject, and it is noticed when they aren't."""

from pathlib import Path

import pytest

from development.lock import LockFile, differences, lock_files, problems_of, read_lists
from tests.end_to_end.checkout import PROJECT

GOOD = "anyio==4.16.0 ; sys_platform != 'win32' \\\n    --hash=sha256:00\n"


def test_the_committed_files_are_in_step_with_pyproject() -> None:
    lists = read_lists(PROJECT / "pyproject.toml")

    runtime, development = lock_files(lists, PROJECT / "requirements")

    assert problems_of(runtime) == []
    assert problems_of(development) == []
    assert differences(runtime.path, development.path) == []


@pytest.mark.parametrize(
    ("wanted", "pins", "problem"),
    [
        pytest.param("anyio>=4", GOOD, None, id="in step"),
        pytest.param("anyio>=5", GOOD, "has 4.16.0 for anyio>=5", id="too old"),
        pytest.param("redis", GOOD, "has nothing for redis", id="missing"),
        pytest.param("anyio", "anyio==4.16.0\n", "has anyio without hashes", id="not hashed"),
        pytest.param("anyio", f"--index-url https://mirror.example\n{GOOD}", "names an address", id="address"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_its_reason(
    tmp_path: Path, wanted: str, pins: str, problem: str | None
) -> None:
    lock = LockFile(tmp_path / "runtime.txt", [wanted])
    lock.path.write_text(lock.header + pins)

    problems = problems_of(lock)

    assert problems == ([f"{lock.path} {problem}."] if problem else [])


def test_a_file_made_from_another_list_is_out_of_step(tmp_path: Path) -> None:
    before = LockFile(tmp_path / "runtime.txt", ["anyio"])
    before.path.write_text(before.header + GOOD)

    problems = problems_of(LockFile(before.path, ["anyio", "anyio>=4"]))

    assert problems == [f"{before.path} was made from another list of dependencies."]


def test_testing_with_another_version_than_production_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "runtime.txt").write_text(GOOD)
    (tmp_path / "development.txt").write_text(GOOD.replace("4.16.0", "4.17.0"))

    assert len(differences(tmp_path / "runtime.txt", tmp_path / "development.txt")) == 1
