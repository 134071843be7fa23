"""The operators' command line: one command a file."""

import sys

import typer

from app.cli import config, migrate, openapi, routes, serve
from app.core.errors import Unavailable
from app.core.identity import service_identity
from app.settings import ConfigurationError, configuration_error

UNAVAILABLE_EXIT_CODE = 69  # EX_UNAVAILABLE of sysexits.h

commands = typer.Typer(
    help=f"Operate {service_identity().title}. Exit codes: 78 wrong configuration, 69 a server cannot be reached.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (serve, migrate, config, routes, openapi):
    commands.command()(getattr(command, command.__name__.rpartition(".")[2]))


def main() -> None:
    """Run one command; what an operator can mend is a sentence, not a stack trace."""
    try:
        commands()
    except ConfigurationError as error:
        fail(str(error), configuration_error.EXIT_CODE)
    except Unavailable as error:
        fail(str(error), UNAVAILABLE_EXIT_CODE)


def fail(message: str, exit_code: int) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - for the operator's terminal, where a log line would be noise
    sys.exit(exit_code)
