"""Options that several commands share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="For a script.")]


def printable(value: str) -> str:
    """Refuse bytes that are no text in the terminal's encoding; the database would refuse them with a stack trace."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("is not valid UTF-8") from None
    return value
