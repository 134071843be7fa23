"""The operators' command line: one command a file.

Each imports what it needs when it runs: the whole service takes seconds to load, help and wrong calls should not.
"""

import sys

import typer

from app.cli import breakers, config, jobs, keys, migrate, openapi, routes, serve, worker
from app.core.checks import CheckFailed
from app.core.configuration_error import ConfigurationError
from app.core.errors import Conflict, NotFound, Unavailable
from app.core.identity import service_identity
from app.observability.redaction import redact_text

# EX_CONFIG and EX_UNAVAILABLE of sysexits.h
WRONG_CONFIGURATION = 78
SERVER_UNREACHABLE = 69
FAILED = 1

commands = typer.Typer(
    help=f"Operate {service_identity().title}. Exit codes: 78 wrong configuration, 69 a server cannot be reached.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (serve.serve, worker.worker, migrate.migrate, config.config, routes.routes, openapi.openapi):
    commands.command()(command)
commands.add_typer(keys.commands, name="keys")
commands.add_typer(jobs.commands, name="jobs")
commands.add_typer(breakers.commands, name="breakers")


def main() -> None:
    """Run one command; what an operator can mend is a sentence, not a stack trace."""
    try:
        commands()
    except ConfigurationError as error:
        fail(str(error), WRONG_CONFIGURATION)
    except (CheckFailed, NotFound, Conflict) as error:
        fail(redact_text(str(error)), FAILED)
    except Unavailable as error:
        from app.cli.unreachable import in_a_sentence

        fail(redact_text(in_a_sentence(error)), SERVER_UNREACHABLE)


def fail(message: str, exit_code: int) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - for the operator's terminal, where a log line would be noise
    sys.exit(exit_code)
