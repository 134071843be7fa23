"""`app config`: what the service would run with."""

import json
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from app.cli.options import AsJson
from app.settings import Settings, load_settings
from app.settings.sections import known_names, value_of

MASK = "**********"


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


def masked(value: Any) -> Any:
    return MASK if isinstance(value, SecretStr) else value
