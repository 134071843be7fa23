"""The container files: what they promise by themselves and, where an engine answers, what the image really does."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ruamel.yaml import YAML

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

DOCKER = shutil.which("docker")
HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
GOOD_SETTINGS = {
    "SECRET_KEY": uuid4().hex + uuid4().hex,
    # Nothing listens there: a process can be alive without its database.
    "DATABASE_URL": f"postgresql://app:{uuid4().hex}@127.0.0.1:9/app",
    "ALLOWED_HOSTS": "api.example.com",
}


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction in the Dockerfile's last stage, continued lines joined."""
    last_stage = DOCKERFILE.replace("\\\n", "").rpartition("\nFROM ")[2]
    return re.findall(rf"^{name} +(.+)$", last_stage, flags=re.MULTILINE)


def test_the_image_runs_in_production_as_a_numbered_user_without_privileges() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert "ENVIRONMENT=production" in instructions("ENV")[0].split()


def test_signals_reach_the_service_because_no_shell_stands_before_it() -> None:
    assert json.loads(instructions("CMD")[-1]) == ["app", "serve"]
    assert instructions("ENTRYPOINT") == []


def test_packages_are_installed_by_hash_and_from_any_base_image_given() -> None:
    assert DOCKERFILE.count("--require-hashes") == len(re.findall(r"pip .*install .*-r ", DOCKERFILE)) == 2
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE) == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]


def test_nothing_but_the_sources_of_the_image_is_sent_to_the_engine() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert lines[1] == "*"
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert sent == {"alembic.ini", "migrations", "pyproject.toml", "requirements", "src"}


def test_neither_the_image_nor_the_compose_file_holds_a_secret() -> None:
    given = [variables for service in SERVICES.values() for variables in service.get("environment", {}).items()]
    secrets = {name: value for name, value in given if re.search("SECRET|PASSWORD|DATABASE_URL", name)}

    assert secrets.keys() == {"SECRET_KEY", "DATABASE_URL", "POSTGRES_PASSWORD"}
    assert all(re.search(r"\$\{\w+:\?.+\}", value) for value in secrets.values())
    assert not re.search("SECRET|PASSWORD|TOKEN", " ".join(instructions("ENV") + instructions("ARG")))


@pytest.mark.parametrize("name", SERVICES)
def test_every_composed_service_is_read_only_and_unprivileged(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_the_public_port_is_published_and_only_to_this_machine() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports == {"app": ["127.0.0.1:${PORT:-8000}:8000"]}


def test_the_service_waits_for_its_migrations() -> None:
    assert SERVICES["app"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert SERVICES["migrate"]["command"] == ["app", "migrate"]


def docker(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [DOCKER or "docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def succeed(*arguments: str, timeout: float = 60) -> str:
    result = docker(*arguments, timeout=timeout)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.strip()


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    if DOCKER is None or docker("info").returncode != 0:
        pytest.skip("no container engine answers on this machine")
    base = re.findall(r"^ARG PYTHON_IMAGE=(\S+)", DOCKERFILE, flags=re.MULTILINE)[0]
    if docker("image", "inspect", base).returncode != 0 and docker("pull", base, timeout=300).returncode != 0:
        pytest.skip(f"the base image {base} cannot be had here")
    tag = f"app-test:{uuid4().hex}"
    built = docker("build", "--tag", tag, str(ROOT), timeout=500)
    if built.returncode != 0 and "after connection broken by" in built.stderr:
        pytest.skip("the package index cannot be reached from a container here")
    assert built.returncode == 0, built.stderr
    yield tag
    docker("image", "rm", tag)


@pytest.fixture
def container(image: str) -> Iterator[str]:
    settings = [f"--env={name}={value}" for name, value in GOOD_SETTINGS.items()]
    container = succeed("run", "--detach", "--health-interval=1s", *HARDENED, *settings, image)
    yield container
    docker("rm", "--force", container)


def state_of(container: str) -> Any:
    """As the engine describes it, in an object that has no type of ours."""
    return json.loads(succeed("inspect", container))[0]["State"]


def wait_until_healthy(container: str) -> None:
    wait_until(lambda: health_of(container) != "starting", within_seconds=60, what="the container's health")
    assert health_of(container) == "healthy", docker("logs", container).stdout


def health_of(container: str) -> str:
    return str(state_of(container)["Health"]["Status"])


# The first test to ask for the image waits for its build.
@pytest.mark.timeout(900)
def test_the_image_refuses_to_start_without_its_secrets(image: str) -> None:
    refusal = docker("run", "--rm", *HARDENED, image)

    assert refusal.returncode == 78
    assert "SECRET_KEY" in refusal.stdout + refusal.stderr


@pytest.mark.timeout(900)
def test_the_container_lives_read_only_as_its_own_user_and_stops_when_asked(container: str) -> None:
    wait_until_healthy(container)

    assert succeed("exec", container, "python", "-c", "import os; print(os.getuid(), os.getgid())") == "10001 10001"
    succeed("stop", "--time=20", container)
    assert state_of(container)["ExitCode"] == 0


@pytest.mark.timeout(900)
def test_the_image_carries_the_migrations_and_no_installer(image: str) -> None:
    count = "import app.persistence.migrations as m; print(len(list(m.FOLDER.glob('*/*.py'))))"

    assert int(succeed("run", "--rm", image, "python", "-c", count)) > 0
    assert docker("run", "--rm", image, "python", "-c", "import pip").returncode == 1
