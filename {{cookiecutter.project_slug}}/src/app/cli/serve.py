"""`app serve`: the API and the operators' port."""

from typing import Annotated

import typer
import uvicorn

from app.assembly.server import serve as serve_until_stopped
from app.settings import essentials, load_settings


def serve(
    *,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew when the code changes; for development.")
    ] = False,
) -> None:
    """Serve the API on HOST:PORT, metrics and health on MANAGEMENT_PORT."""
    settings = load_settings()
    if not reload:
        serve_until_stopped(settings)
        return
    essentials(settings)
    uvicorn.run(
        "app.main:application",
        factory=True,
        reload=True,
        reload_dirs=["src"],
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
    )
