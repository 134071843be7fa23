"""`app serve`: the API and the operators' port."""

from typing import Annotated

import typer
import uvicorn

from app.assembly.instruments import open_log
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
    open_log(settings)  # this process only watches the files; the one that serves is its child
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
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
    )
