"""Tells browsers what they may do with an answer, and caches whether they may keep it: on every answer there is."""

from secure import CrossOriginResourcePolicy, Preset, Secure

from app.web.content_security_policy import NOTHING
from app.web.middleware.edge import Concern, Exchange, Headers

Header = tuple[bytes, bytes]

# Of the preset: its policy would let pages load things, its `Cache-Control` is the same for every answer,
# and its `Server` is empty, where our servers send none.
REPLACED = frozenset({b"content-security-policy", b"cache-control", b"server"})

# Browsers ignore it over http (RFC 6797, section 7.2), and on a laptop it would lock people out of localhost.
ONLY_ON_HTTPS = b"strict-transport-security"

CACHE_CONTROL = b"cache-control"
NEVER_KEEP: Header = (CACHE_CONTROL, b"no-store")
ASK_BEFORE_REUSE: Header = (CACHE_CONTROL, b"no-cache")

FIRST_FAILURE = 400


class SecurityHeaders(Concern):
    """Adds what the answer does not have yet, from bytes that are made once; takes nothing away."""

    def __init__(self) -> None:
        self.over_https = security_headers()
        self.over_http = [header for header in self.over_https if header[0] != ONLY_ON_HTTPS]

    def on_response_start(self, exchange: Exchange, headers: Headers) -> None:
        present = {name for name, _ in headers}
        wanted = self.over_https if exchange.scope["scheme"] == "https" else self.over_http
        headers.extend([header for header in wanted if header[0] not in present])
        if CACHE_CONTROL not in present:
            headers.append(NEVER_KEEP if is_private(exchange) else ASK_BEFORE_REUSE)


def security_headers() -> list[Header]:
    """The strictest preset, with a policy that lets nothing load, and for our own origin alone."""
    preset = Secure.from_preset(Preset.STRICT)
    # Pages that CORS lets in are not concerned: browsers apply this one only to requests without CORS.
    preset.headers_list.append(CrossOriginResourcePolicy().same_origin())
    encoded = [(name.lower().encode(), value.encode()) for name, value in preset.header_items()]
    kept = [header for header in encoded if header[0] not in REPLACED]
    return [*kept, (b"content-security-policy", NOTHING.encode())]


def is_private(exchange: Exchange) -> bool:
    """Failures, and whatever was answered to a caller who showed who it is."""
    request = exchange.request_headers
    return exchange.status >= FIRST_FAILURE or b"authorization" in request or b"cookie" in request
