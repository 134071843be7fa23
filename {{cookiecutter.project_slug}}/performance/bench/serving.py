"""Serves the application of one row with the options of production: `python -m performance.bench.serving ROW`."""

import sys
from typing import Any

import uvicorn

from app.assembly.server import KEEP_ALIVE_SECONDS, uvicorn_options
from app.settings import load_settings
from performance.bench.rows import row_named

# For what is not ours: uvicorn's own protocol, but for the rest the same, or we would win by its access log alone.
FOR_OTHERS: dict[str, Any] = {  # Any: options of every type
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "ws": "none",
    "timeout_keep_alive": KEEP_ALIVE_SECONDS,
}


def main() -> None:
    settings = load_settings()
    row = row_named(sys.argv[1], settings)
    options = uvicorn_options(settings) if row.is_ours else FOR_OTHERS
    if row.make is None:
        sys.exit(f"{row.name} brings a server of its own.")
    uvicorn.run(row.make(settings), host=settings.host, port=settings.port, **options)


if __name__ == "__main__":
    main()
