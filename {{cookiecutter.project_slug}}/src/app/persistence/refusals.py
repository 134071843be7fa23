"""Tells whether a connection that was refused will be refused again."""

import ssl

import asyncpg
from asyncpg.exceptions import ClientConfigurationError

# Of the server: who may come in, to which database, with which settings.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
LASTING = ("28", "3D000", "42501", "42704", "22023", "55P02")


def is_lasting(cause: BaseException) -> bool:
    """Whether somebody has to change the address, or what stands behind it, before anybody can connect."""
    if isinstance(cause, asyncpg.PostgresError):
        return str(cause.sqlstate).startswith(LASTING)
    # The driver has no class for a server without TLS; connections that are lost are of a more exact one.
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return False  # whoever speaks TLS was cut off in the middle of it
    is_without_tls = type(cause) is ConnectionError and "SSL" in str(cause)
    return is_without_tls or isinstance(cause, ClientConfigurationError | ssl.SSLError) or names_file(cause)


def names_file(cause: BaseException) -> bool:
    """A certificate or a key. A socket that is not there has no name here: its server may be about to start."""
    return isinstance(cause, OSError) and cause.filename is not None
