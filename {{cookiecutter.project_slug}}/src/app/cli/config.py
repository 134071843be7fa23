"""`app config`: what the service would run with."""

import json
from typing import TYPE_CHECKING, Any

from app.cli.options import AsJson
from app.cli.tables import print_table

if TYPE_CHECKING:
    from app.settings import Settings

MASK = "**********"


def config(*, as_json: AsJson = False) -> None:
    """Print the effective configuration, with secrets masked."""
    from app.settings import load_settings

    values = effective(load_settings())
    if as_json:
        print(json.dumps(values, indent=2))  # noqa: T201 - the command's output
        return
    print_table(["variable", "value"], [[name, "" if value is None else str(value)] for name, value in values.items()])


def effective(settings: "Settings") -> dict[str, Any]:  # Any: values of every type
    """Each variable with its value, in JSON's types."""
    from app.settings.sections import known_names, value_of

    return {name: masked(value_of(settings, name)) for name in sorted(known_names())}


def masked(value: Any) -> Any:
    from pydantic import SecretStr

    return MASK if isinstance(value, SecretStr) else value
