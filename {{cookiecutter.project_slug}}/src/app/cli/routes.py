"""`app routes`: what the service answers to."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from app.assembly.application import create_app
from app.assembly.policies import Policy, policies_of
from app.cli.options import AsJson
from app.settings import load_settings


def routes(*, as_json: AsJson = False) -> None:
    """Print every route: methods, path, name, and who may call it: holders of a scope, or the public."""
    found = [described(policy) for policy in policies_of(create_app(load_settings()))]
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201 - the command's output
        return
    table = Table("methods", "path", "name", "callers")
    for route in found:
        table.add_row(" ".join(route["methods"]), route["path"], route["name"], route["callers"])
    Console(markup=False).print(table)


def described(policy: Policy) -> dict[str, Any]:  # Any: JSON
    route = policy.route
    return {
        "methods": sorted(route.methods or ()),
        "path": route.path or "",
        "name": route.name or "",
        "callers": str(policy),
    }
