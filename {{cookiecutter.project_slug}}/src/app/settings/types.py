"""The types that settings have: what each accepts, and what it says when it refuses."""

import re
from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.core.rates import Rate
from app.persistence.database_url import DatabaseURL

Port = Annotated[int, Field(ge=0, le=65535)]
Requests = Annotated[int, Field(ge=1, le=100_000)]
PoolSize = Annotated[int, Field(ge=1, le=500)]
# A day at most: nothing here waits longer, and infinity is a mistake.
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
TimeLimit = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=1)]
# A second at least: a busy event loop or a short hiccup of the network is no death.
StallSeconds = Annotated[float, Field(ge=1, le=3_600, allow_inf_nan=False)]
Hours = Annotated[int, Field(ge=1, le=8_760)]
Days = Annotated[int, Field(ge=1, le=3_650)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)]

# As `web/middleware/trusted_hosts.py` reads them in requests; `*` is any, `*.` any name below.
HOST = re.compile(r"\*|(\*\.)?[a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\]", re.IGNORECASE)
# As browsers write them: not with the port that a scheme has anyway. Some apps have a scheme of their own.
ORIGIN = re.compile(
    r"\*|(?!http://.*:80$|https://.*:443$)[a-z][a-z0-9+.-]*://([a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])(:[0-9]+)?"
)

REDIS_SCHEMES = ("redis", "rediss", "unix")
# What a URL would decide over the head of other settings.
REDIS_LIMITS = frozenset({"max_connections", "socket_connect_timeout", "socket_timeout", "timeout"})


def split_at_commas(value: str | list[str]) -> list[str]:
    """`a, b` as people write it in one variable."""
    items = value.split(",") if isinstance(value, str) else value
    return [item.strip() for item in items if item.strip()]


def checked_database_url(value: str) -> str:
    """Refuse a URL that could never work while there is somebody to read the message."""
    DatabaseURL.parse(value)
    return value


def checked_redis_url(value: str) -> str:
    """Refuse what Redis' client would refuse later, with a stack trace."""
    from app.cache.redis import is_understood  # who has no Redis does not pay for its library

    parts = split_url(value, hint="percent-encode special characters in the password")
    if parts.scheme not in REDIS_SCHEMES or not (parts.netloc or parts.path):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    if parts.scheme != "unix" and not re.fullmatch(r"/?[0-9]*", parts.path):
        raise ValueError("names a database that is no number: end it with /0, or with nothing")
    if REDIS_LIMITS & parse_qs(parts.query).keys():
        raise ValueError("sets a limit: use REDIS_TIMEOUT_SECONDS and REDIS_POOL_SIZE instead")
    if not is_understood(value):
        raise ValueError("has an option that its client does not know, or a value that it cannot read, after the ?")
    return value


def checked_partner_url(value: str) -> str:
    """Refuse what no call could be added to. A password would end in logs: a partner's secret has a setting."""
    parts = split_url(value, hint="write it like https://partner.example.com or http://10.0.0.7:8080/api")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and name a host")
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("has a space or a line break in it: take it out")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must hold neither a user nor a query: only scheme, host, port and the beginning of paths")
    return value


def checked_partner_key(value: str) -> str:
    """Refuse what cannot be sent in a header: the library would raise at every call, and no `ClientError` either."""
    if not re.fullmatch(r"[ -~]+", value):
        raise ValueError("holds a line break or another character that no header may have: give the key alone")
    return value


def checked_dsn(value: str) -> str:
    """Refuse what Sentry's client would refuse later, with a stack trace."""
    parts = split_url(value, hint="write it like https://KEY@HOST/PROJECT")
    if parts.scheme not in {"http", "https"} or not (parts.username and parts.hostname and parts.path.strip("/")):
        raise ValueError("must look like https://KEY@HOST/PROJECT")
    return value


def checked_proxies(values: list[str]) -> list[str]:
    """Refuse what could never be anybody's address."""
    for value in values:
        try:
            _ = value == "*" or ip_network(value)
        except ValueError:
            example = "such as 10.0.0.7, 10.1.0.0/16 or 2001:db8::/32"
            raise ValueError(f"{value!r} is neither an address nor the beginning of a network, {example}") from None
    return values


def checked_hosts(values: list[str]) -> list[str]:
    """Refuse what could be in nobody's `Host`, where each request would be refused."""
    for value in values:
        if not HOST.fullmatch(value):
            examples = "api.example.com, *.example.com or [2001:db8::1]"
            raise ValueError(f"{value!r} is no host name: write it without scheme, port and path, such as {examples}")
    return values


def checked_origins(values: list[str]) -> list[str]:
    """Refuse what no browser sends, as origins are compared letter by letter; and `null`, which any page can send."""
    for value in values:
        if not ORIGIN.fullmatch(value):
            rule = "scheme and host in lower case, the port if it is not the scheme's own, and nothing after it"
            raise ValueError(f"{value!r} is no origin: write {rule}, such as https://www.example.com")
    return values


def checked_rate(value: str) -> str:
    """Refuse what could not be counted."""
    Rate.parse(value)
    return value


def split_url(value: str, *, hint: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        # The library's words may quote a part of the password.
        raise ValueError(f"is not a URL; {hint}") from error
    return parts


Names = Annotated[list[str], NoDecode, BeforeValidator(split_at_commas)]
DatabaseAddress = Annotated[SecretStr, BeforeValidator(checked_database_url)]
RedisAddress = Annotated[SecretStr, BeforeValidator(checked_redis_url)]
Proxies = Annotated[Names, AfterValidator(checked_proxies)]
RateText = Annotated[str, AfterValidator(checked_rate)]
Hosts = Annotated[Names, AfterValidator(checked_hosts)]
Origins = Annotated[Names, AfterValidator(checked_origins)]
PartnerAddress = Annotated[str, AfterValidator(checked_partner_url)]
PartnerKey = Annotated[SecretStr, BeforeValidator(checked_partner_key)]
Dsn = Annotated[SecretStr, BeforeValidator(checked_dsn)]
