"""`app serve`: the API and the operators' port."""

from typing import Annotated

import typer


def serve(
    *,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew when the code changes; for development.")
    ] = False,
) -> None:
    """Serve the API on HOST:PORT, metrics and health on MANAGEMENT_PORT."""
    from app.assembly import server
    from app.settings import load_settings

    start = server.serve_and_reload if reload else server.serve
    start(load_settings())
