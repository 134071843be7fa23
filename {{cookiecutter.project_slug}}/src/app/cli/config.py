"""`app config`: what the service would run with."""

import json
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from app.settings import Settings, load_settings
from app.settings.sections import known_names

MASK = "**********"

AsJson = Annotated[bool, typer.Option("--json", help="For a script.")]


def config(*, as_json: AsJson = False) -> None:
    """Print the effective configuration, with secrets masked."""
    values = effective(load_settings())
    if as_json:
        print(json.dumps(values, indent=2))  # noqa: T201 - the command's output
        return
    table = Table("variable", "value")
    for name, value in values.items():
        table.add_row(name, "" if value is None else str(value))
    Console(markup=False).print(table)


def effective(settings: Settings) -> dict[str, Any]:  # Any: values of every type
    """Each variable with its value, in JSON's types."""
    return {name: masked(value_of(settings, name)) for name in sorted(known_names())}


def value_of(settings: Settings, name: str) -> Any:
    section, _, field = name.lower().partition("_")
    if hasattr(settings, name.lower()):
        return getattr(settings, name.lower())
    return getattr(getattr(settings, section), field)


def masked(value: Any) -> Any:
    return MASK if isinstance(value, SecretStr) else value
