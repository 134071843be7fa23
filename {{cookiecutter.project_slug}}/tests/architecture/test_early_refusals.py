"""Who is refused early passes no middleware, so whoever adds one in front decides what that means for them."""

from app.web.middleware.access_log import AccessLog
from app.web.middleware.address_limit import AddressCount, AddressLimit
from app.web.middleware.client_address import ClientAddress
from app.web.middleware.cors import Cors
from app.web.middleware.early_refusal import EarlyRefusal
from app.web.middleware.edge import Edge
from app.web.middleware.error_boundary import ErrorBoundary
from app.web.middleware.http_metrics import HttpMetrics
from app.web.middleware.rate_limit_headers import RateLimitHeaders
from app.web.middleware.request_context import RequestContext
from app.web.middleware.security_headers import SecurityHeaders
from app.web.middleware.trusted_hosts import TrustedHosts
from tests.support.app import unopened_app

# What `EarlyRefusal` does in place of each.
DECIDED: dict[object, str] = {
    Edge: "asks its concerns, which are these",
    RequestContext: "gives the answer an id",
    ClientAddress: "asks it",
    AddressCount: "asks it",
    AccessLog: "nothing: who is shed gets no line",
    HttpMetrics: "asks it",
    SecurityHeaders: "has asked it for its headers once",
    RateLimitHeaders: "nothing: who was counted by a limit that is reached is not refused here",
    TrustedHosts: "refuses nobody who asks for another host",
    Cors: "refuses nobody who sends an Origin",
    ErrorBoundary: "nothing: it raises nothing",
    AddressLimit: "refuses nobody whose address calls too often",
}


def test_everything_in_front_of_early_refusals_was_thought_of() -> None:
    passed: list[object] = [each.cls for each in unopened_app().user_middleware]
    in_front = set(passed[: passed.index(EarlyRefusal)])

    assert in_front | concerns_of_the_edge() == DECIDED.keys(), (
        "say here, and in web/middleware/early_refusal.py, what becomes of it when a request is refused early"
    )


def concerns_of_the_edge() -> set[object]:
    concerns = next(each.kwargs["concerns"] for each in unopened_app().user_middleware if "concerns" in each.kwargs)
    assert isinstance(concerns, list)
    return {type(concern) for concern in concerns}
