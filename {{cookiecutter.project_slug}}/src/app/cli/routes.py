"""`app routes`: what the service answers to."""

import json
from typing import TYPE_CHECKING, Any

from app.cli.options import AsJson
from app.cli.tables import print_table

if TYPE_CHECKING:
    from app.assembly.policies import RoutePolicy


def routes(*, as_json: AsJson = False) -> None:
    """Print every route: methods, path, name, and who may call it: holders of a scope, or the public."""
    from app.assembly.application import create_app
    from app.assembly.policies import policies_of
    from app.settings import load_settings

    found = [described(policy) for policy in policies_of(create_app(load_settings()))]
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201 - the command's output
        return
    print_table(
        ["methods", "path", "name", "callers"],
        [[" ".join(route["methods"]), route["path"], route["name"], route["callers"]] for route in found],
    )


def described(policy: "RoutePolicy") -> dict[str, Any]:  # Any: JSON
    route = policy.route
    return {
        "methods": sorted(route.methods or ()),
        "path": route.path or "",
        "name": route.name or "",
        "callers": str(policy),
    }
