"""The connections to partners: the only file that knows how the HTTP library is used.

Answers are read whole, up to a bound that holds for what they are unpacked to. Redirects are answers and not followed:
what is called is the address that was configured, or checked. Cookies are not kept, neither proxies nor `.netrc` are
taken from the environment, and certificates are verified (`SSL_CERT_FILE` names others than the system's).

A partner that sends more than it announced loses its connection, be it at once or while the connection waits for its
next request. Otherwise the rest would be taken for the answer to that.
"""

from collections.abc import Mapping
from ssl import SSLError

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from app.clients.errors import PartnerAnswerTooLarge, PartnerBroke, PartnerUnavailable, PartnerUnreachable
from app.clients.messages import Asked, Received
from app.core.identity import service_identity

# Shorter than what servers and load balancers usually keep (60 s and more), so that it is we who close.
KEEP_ALIVE_SECONDS = 15.0


class Connector(aiohttp.TCPConnector):
    """Keeps no connection over which something came that nobody had asked for.

    The library looks when an answer is read, and not when the connection is taken for the next request.
    """

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


class Connections:
    """At most `most`. Each request carries `headers`, whatever else it says.

    An attempt's time-out is the caller's affair, for it holds from the look-up of the name to the last byte. Connecting
    has one of its own: who was not reached was not asked either, and may be asked again.
    """

    def __init__(
        self,
        partner: str,
        *,
        most: int,
        connect_seconds: float,
        headers: Mapping[str, str],
        resolver: AbstractResolver | None = None,
    ) -> None:
        self.partner = partner
        identity = service_identity()
        self.session = aiohttp.ClientSession(
            connector=Connector(
                limit=most,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                resolver=resolver,
                use_dns_cache=resolver is None,  # who brings a resolver wants it to be asked
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds),
            headers={"Accept": "application/json", "User-Agent": f"{identity.name}/{identity.version}", **headers},
            trust_env=False,
        )
        # It would send what is idempotent a second time, past every budget.
        self.session._retry_connection = False  # noqa: SLF001 - there is no other way to say so

    async def ask(self, asked: Asked, *, headers: Mapping[str, str], most_bytes: int) -> Received:
        """Raises `PartnerUnavailable`."""
        try:
            async with self.session.request(
                asked.method, asked.url, headers=headers, data=asked.body, allow_redirects=False
            ) as response:
                body = await self.read(response, most_bytes)
                return Received(response.status, response.headers, body)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # Not chained: the library's errors hold the request's headers.
            raise self.failure_of(error) from None

    async def read(self, response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > most_bytes:
                raise PartnerAnswerTooLarge(self.partner)
            parts.append(part)
        return b"".join(parts)

    def failure_of(self, error: Exception) -> PartnerUnavailable:
        """In our own words."""
        cause = cause_of(error)
        if isinstance(error, aiohttp.ClientSSLError):
            return PartnerUnreachable(self.partner, cause=cause, is_worth_repeating=False)
        if isinstance(error, UnicodeError):  # Python's word for a name that cannot be one
            return PartnerUnreachable(self.partner, cause=cause, is_worth_repeating=False)
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return PartnerUnreachable(self.partner, cause=cause)
        return PartnerBroke(self.partner, cause=cause)

    async def close(self) -> None:
        """And whatever is under way."""
        await self.session.close()


def cause_of(error: Exception) -> str:
    """For the log. What the library says of itself may hold the URL and the headers."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    reason = error.reason if isinstance(error, SSLError) else error.strerror if isinstance(error, OSError) else ""
    return f"{type(error).__name__} {reason or ''}".rstrip()
