"""Connections: how they are opened, and what they are limited to."""

from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.persistence.database_url import DatabaseURL
from app.persistence.errors import READ_ONLY, DatabaseUnavailable

CONNECT_TIMEOUT_SECONDS = 5.0

# The server ends a slow statement itself; when even that does not come, it is the server that hangs.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class ConnectionOptions:
    """How to connect. Times are seconds; a time-out of 0 means none."""

    url: DatabaseURL
    application_name: str
    tls_off: bool = False
    statement_timeout: float = 0
    idle_in_transaction_timeout: float = 0


def create_engine(options: ConnectionOptions, *, pool_size: int, isolation_level: str | None = None) -> AsyncEngine:
    """SQLAlchemy's engine over asyncpg connections that we open ourselves."""

    async def connect() -> asyncpg.Connection:
        return await open_connection(options)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_SECONDS,
        isolation_level=isolation_level,
        hide_parameters=True,  # an error's text goes to the log, and rows hold personal data
    )
    event.listen(engine.sync_engine, "checkout", refuse_closed_connection)
    event.listen(engine.sync_engine, "handle_error", give_up_connection, retval=True)
    return engine


async def open_connection(options: ConnectionOptions) -> asyncpg.Connection:
    """One connection. Raises `DatabaseUnavailable`."""
    arguments = {"timeout": CONNECT_TIMEOUT_SECONDS, **options.url.connect_arguments()}
    if options.tls_off:
        arguments["ssl"] = "disable"
    if options.statement_timeout:
        arguments["command_timeout"] = options.statement_timeout + PATIENCE_SECONDS
    try:
        return await asyncpg.connect(**arguments, server_settings=server_settings(options))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable from naming_file(error, options.url)


def naming_file(error: Exception, url: DatabaseURL) -> Exception:
    """The same, or one that names the certificate which cannot be read: Python's TLS library does not."""
    if not isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return error
    for file in url.files:
        try:
            file.open("rb").close()
        except OSError as unreadable:
            return unreadable
    return error


def server_settings(options: ConnectionOptions) -> dict[str, str]:
    """Limits that the server itself enforces, so that they hold even when this process hangs."""
    return {
        "application_name": options.url.parameters.get("application_name", options.application_name),
        "statement_timeout": milliseconds(options.statement_timeout),
        "idle_in_transaction_session_timeout": milliseconds(options.idle_in_transaction_timeout),
    }


def milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def refuse_closed_connection(dbapi_connection: Any, *_: Any) -> None:  # Any: SQLAlchemy's adapter has no public type
    """Let the pool replace a connection that the server closed while it was idle.

    The driver has already seen the end of the stream, so this asks nothing of the network;
    `pool_pre_ping` would cost a round trip for each request.
    """
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


def give_up_connection(context: ExceptionContext) -> Exception | None:
    """Throw away a connection whose server hangs or has become read-only, as after a failover; and every idle one too.

    Not even a rollback could be sent to a server that hangs.
    """
    is_silent = isinstance(context.original_exception, TimeoutError)
    if is_silent or getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True
    return DatabaseUnavailable() if is_silent else None
