"""The real command line, serving notes and delivering them, and forecasts of the partner at `WEATHER_ADDRESS`.

Jobs that failed are tried again soon. `python -m tests.support.chaos_service serve`, or `worker`.
"""

import os

from app import cli, resources
from app.assembly.jobs import HANDLERS
from app.assembly.routes import ROUTERS
from app.clients.http import Partner
from app.jobs import attempt
from app.jobs.handler import Handler
from app.observability import log_output
from app.resilience.backoff import Backoff
from tests.support import forecasts, notes
from tests.support.switched_off import switch_off_what_is_asked

if __name__ == "__main__":
    switch_off_what_is_asked()
    attempt.RETRY = Backoff(first_seconds=0.5, longest_seconds=1)
    if "WEATHER_ADDRESS" in os.environ:
        weather = Partner(forecasts.WEATHER, os.environ["WEATHER_ADDRESS"])
        resources.partners_from = lambda settings: [weather]  # noqa: ARG005 - its name
    log_output.MOST_LINES = int(os.environ.get("MOST_LINES", log_output.MOST_LINES))
    ROUTERS.extend([notes.router, forecasts.router])
    HANDLERS.append(Handler(notes.Deliver, notes.deliver))
    cli.main()
