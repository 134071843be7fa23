"""schemathesis calls everything that the OpenAPI document names, with what it allows and with what it does not."""

import asyncio
import sys
from pathlib import Path

import pytest

from app.assembly.policies import known_scopes
from app.web import rate_limits
from tests.support import doors, playground
from tests.support.commands import PROJECT, clean_environment
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")

QUICKLY = ["--phases=examples,coverage,fuzzing", "--max-examples=10", "--generation-deterministic"]
FOR_LONG = ["--max-examples=500"]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("options", [pytest.param(QUICKLY), pytest.param(FOR_LONG, marks=pytest.mark.long)])
async def test_every_operation_keeps_what_the_document_promises(
    database_url: str, redis_url: str, tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Limits of single routes, or nearly every answer would be that it was too often.
    monkeypatch.setattr(rate_limits, "own_buckets", lambda *_: [])
    settings = settings_for(database_url=database_url, redis_url=redis_url)
    async with run_service(settings, routers=[doors.router, playground.router]) as running:
        exit_code, report = await fuzz(running, *options, folder=tmp_path)

    assert exit_code == 0, report


async def fuzz(running: RunningService, *options: str, folder: Path) -> tuple[int | None, str]:
    """The report names each failure with a command that shows it again, and the seed."""
    caller = await running.client_for(*known_scopes(running.app))
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS,
        f"--config-file={CONFIGURATION}",
        "run",
        str(running.client.base_url.join("/openapi.json")),
        f"--header=Authorization: {caller.headers['authorization']}",
        "--continue-on-failure",
        "--no-color",
        *options,
        cwd=folder,
        env=clean_environment({"PYTHONPATH": str(PROJECT)}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        report, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, report.decode()
