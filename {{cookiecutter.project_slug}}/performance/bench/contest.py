"""Starts every application that can be measured here, each in a process of its own."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from performance.bench.measuring import Contestant
from performance.bench.rows import Row, rows
from performance.connection import HOST, Target
from performance.folders import folder_for_a_while
from performance.machine import allow_open_files, pin_apart
from performance.servers import Behind, Program, adopt, module, production, running, servers_behind
from performance.things import prepare_database

OPEN_FILES = 1024

# The variable that tells applications where it is.
PARTNER = "PARTNER_URL"

Choice = Callable[[Row], bool]


@contextmanager
def contest(
    choice: Choice, *, guests: Sequence[tuple[Row, Program]] = ()
) -> Iterator[tuple[list[Contestant], list[str]]]:
    """The applications, running until the end of the block, and a sentence for whatever could not be had."""
    allow_open_files(OPEN_FILES)
    partner = Program("the partner", module("performance.bench.partner"), {})
    with (
        folder_for_a_while() as folder,
        servers_behind(folder) as behind,
        running([partner], folder / "partner") as [partner_process],
    ):
        variables = production(behind) | {PARTNER: f"http://{HOST}:{partner_process.port}"}
        settings = adopt(variables)
        key = asyncio.run(prepare_database(settings)) if behind.database_url else None
        chosen = [row for row in rows(settings) if choice(row)]
        possible = [row for row in chosen if is_possible(row, behind)]
        entries = [*((row, program_of(row, variables)) for row in possible), *guests]
        with running([program for _, program in entries], folder) as processes:
            pin_apart([process.pid for process in processes])
            contestants = [
                Contestant(row, process, Target(process.port, row.path, key if row.needs_database else None))
                for (row, _), process in zip(entries, processes, strict=True)
            ]
            yield contestants, missing(behind, chosen, possible)


def program_of(row: Row, variables: Mapping[str, str]) -> Program:
    """Without Redis the service does without, which is measured, too."""
    needs = {"REDIS_URL": row.needs_redis, PARTNER: row.needs_partner}
    kept = {name: value for name, value in variables.items() if needs.get(name, True)}
    return Program(row.name, module("performance.bench.serving", row.name), kept)


def is_possible(row: Row, behind: Behind) -> bool:
    has_database = behind.database_url is not None or not row.needs_database
    return has_database and (behind.redis_url is not None or not row.needs_redis)


def missing(behind: Behind, chosen: Sequence[Row], possible: Sequence[Row]) -> list[str]:
    """Why, and what is not shown therefore."""
    names = [repr(row.name) for row in chosen if row not in possible]
    return [*behind.missing, f"Not measured therefore: {', '.join(names)}."] if names else []
