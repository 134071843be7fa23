"""The library's own connections to PostgreSQL: a small pool, and one more that listens for new jobs."""

from math import ceil

from procrastinate import PsycopgConnector
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from app.persistence.engine import CONNECT_TIMEOUT_SECONDS, ConnectionOptions

# For fetching, for signs of life and for outcomes; handlers use the service's own pool.
MOST_CONNECTIONS = 4

# A machine that vanished says nothing: without these, nobody would notice for hours.
KEEPALIVE = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}


def queue_connector(options: ConnectionOptions) -> PsycopgConnector:
    """Connects when the worker begins.

    A notification belongs to a connection of the server's, so these must be direct. Behind a pooler that lends
    connections for a transaction only (PgBouncer's `pool_mode=transaction`) nothing is heard.
    """
    return PsycopgConnector(
        conninfo=make_conninfo(**libpq_arguments(options)),
        min_size=1,
        max_size=MOST_CONNECTIONS,
        timeout=CONNECT_TIMEOUT_SECONDS,
    )


def libpq_arguments(options: ConnectionOptions) -> dict[str, str]:
    """The same address, name, encryption and patience as all other connections of this service."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    defaults = {"application_name": options.application_name, "connect_timeout": str(ceil(CONNECT_TIMEOUT_SECONDS))}
    arguments = {**KEEPALIVE, **defaults, **options.url.libpq_arguments(known)}
    return {**arguments, "sslmode": "disable"} if options.tls_off else arguments
