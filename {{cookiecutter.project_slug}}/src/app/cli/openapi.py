"""`app openapi`: the API's description, for client generators and for review."""

import json


def openapi() -> None:
    """Print the OpenAPI document as JSON."""
    from app.assembly.application import create_app
    from app.settings import load_settings

    print(json.dumps(create_app(load_settings()).openapi(), indent=2))  # noqa: T201 - the command's output
