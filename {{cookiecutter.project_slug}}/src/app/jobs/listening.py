"""Hears of new jobs the moment that they are committed."""

import json
from collections.abc import Callable
from contextlib import suppress
from math import ceil

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from app.persistence.engine import CONNECT_TIMEOUT_SECONDS, ConnectionOptions

LISTEN = "LISTEN procrastinate_any_queue_v1"

# A machine that vanished says nothing: without these, nobody would notice for hours.
KEEPALIVE = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}


async def listen(options: ConnectionOptions, *, on_job: Callable[[], None], on_abort: Callable[[int], None]) -> None:
    """Call back for each notification, until the connection is lost. Raises `psycopg.Error` if there is none.

    A notification belongs to a connection of the server's, so this one must be direct. Behind a pooler that lends
    connections for a transaction only (PgBouncer's `pool_mode=transaction`) nothing is heard.
    """
    address = make_conninfo(**libpq_arguments(options))
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(LISTEN)
        on_job()  # something may have come before we listened
        with suppress(psycopg.OperationalError):
            async for notification in connection.notifies():
                message = json.loads(notification.payload)
                if message["type"] == "abort_job_requested":
                    on_abort(message["job_id"])
                else:
                    on_job()


def libpq_arguments(options: ConnectionOptions) -> dict[str, str]:
    """The same address, name, encryption and patience as all other connections of this service."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    defaults = {"application_name": options.application_name, "connect_timeout": str(ceil(CONNECT_TIMEOUT_SECONDS))}
    arguments = {**KEEPALIVE, **defaults, **options.url.libpq_arguments(known)}
    return {**arguments, "sslmode": "disable"} if options.tls_off else arguments
