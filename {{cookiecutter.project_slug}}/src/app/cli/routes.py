"""`app routes`: what the service answers to."""

import json

from fastapi.routing import iter_route_contexts
from rich.console import Console
from rich.table import Table

from app.assembly.application import create_app
from app.cli.options import AsJson
from app.settings import load_settings


def routes(*, as_json: AsJson = False) -> None:
    """Print every route: methods, path, name."""
    found = [
        {"methods": sorted(route.methods or ()), "path": route.path or "", "name": route.name or ""}
        for route in iter_route_contexts(create_app(load_settings()).routes)
    ]
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201 - the command's output
        return
    table = Table("methods", "path", "name")
    for route in found:
        table.add_row(" ".join(route["methods"]), str(route["path"]), str(route["name"]))
    Console().print(table)
