"""`app keys`: making, listing and revoking API keys."""

import json
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from app.cli.options import AsJson, printable
from app.cli.tables import print_table
from app.core.ids import new_id
from app.security.keys import DEFAULT_DAYS, LONGEST_NAME, MOST_DAYS

commands = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


def checked_name(name: str) -> str:
    """One line that a table can show."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise typer.BadParameter(f"Give the key a name of 1 to {LONGEST_NAME} printable characters.")
    return name.strip()


@commands.command()
def create(
    name: Annotated[str, typer.Argument(callback=checked_name, help="What the key is for, such as `shop in Berlin`.")],
    *,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="What it may do; repeat it for more.")] = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="Whatever any route needs today.")] = False,
    tenant: Annotated[UUID | None, typer.Option(help="Whose rows it sees. Without: a new tenant's.")] = None,
    expires_in_days: Annotated[int, typer.Option(min=1, max=MOST_DAYS)] = DEFAULT_DAYS,
    as_json: AsJson = False,
) -> None:
    """Make an API key. It is printed once and cannot be had again."""
    from app.assembly.application import create_app
    from app.assembly.policies import known_scopes
    from app.cli.database import with_database
    from app.cli.stored_keys import make
    from app.settings import load_settings

    scopes = chosen_scopes(scope or [], known=known_scopes(create_app(load_settings())), all_scopes=all_scopes)
    whose = tenant or new_id()
    made = with_database(lambda database: make(database, name=name, scopes=scopes, tenant=whose, days=expires_in_days))
    print(json.dumps(made, indent=2) if as_json else in_words(made))  # noqa: T201 - the command's output


@commands.command("list")
def list_keys(*, as_json: AsJson = False) -> None:
    """Print every API key, good or not; secrets are not stored."""
    from app.cli.database import with_database
    from app.cli.stored_keys import find_all

    found = with_database(find_all)
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201 - the command's output
        return
    print_table(
        ["prefix", "name", "tenant", "scopes", "created", "expires", "revoked"],
        [[" ".join(value) if isinstance(value, list) else value or "" for value in key.values()] for key in found],
    )


@commands.command()
def revoke(
    prefix: Annotated[
        str,
        typer.Argument(parser=printable, metavar="PREFIX", help="The key's second part, as `app keys list` shows it."),
    ],
) -> None:
    """Make an API key useless, within a few seconds. Doing it again changes nothing."""
    from app.cli.database import with_database
    from app.cli.stored_keys import take_back

    is_new = with_database(lambda database: take_back(database, prefix))
    print(f"The key {prefix} {'is revoked now' if is_new else 'was revoked before'}.")  # noqa: T201 - the command's output


def chosen_scopes(named: Sequence[str], *, known: Sequence[str], all_scopes: bool) -> Sequence[str]:
    """Raises typer's error, which lists what can be chosen."""
    choice = f"Routes need these: {', '.join(known) or 'none so far'}."
    if all_scopes == bool(named):
        raise typer.BadParameter(f"Name what the key may do with --scope, or say --all-scopes. {choice}")
    if unknown := [scope for scope in named if scope not in known]:
        raise typer.BadParameter(f"No route needs {', '.join(unknown)}. {choice}")
    return known if all_scopes else named


def in_words(made: dict[str, Any]) -> str:  # Any: JSON
    """For a person's terminal. The key stands alone on its line, so that it can be selected."""
    scopes = ", ".join(made["scopes"])
    return (
        f"{made['key']}\n\n"
        f"This is the key of {made['name']!r}. Keep it now: it is stored nowhere and will not be shown again.\n"
        f"It may do {scopes} for the tenant {made['tenant']} until {made['expires']}.\n"
        f"Send it as `Authorization: Bearer <key>`; `app keys revoke {made['prefix']}` makes it useless."
    )
