"""`app serve`: the API and the operators' port."""

from typing import Annotated

import typer

from app.assembly.server import serve as serve_until_stopped
from app.assembly.server import serve_and_reload
from app.settings import load_settings


def serve(
    *,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew when the code changes; for development.")
    ] = False,
) -> None:
    """Serve the API on HOST:PORT, metrics and health on MANAGEMENT_PORT."""
    start = serve_and_reload if reload else serve_until_stopped
    start(load_settings())
