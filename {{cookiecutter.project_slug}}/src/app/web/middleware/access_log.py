"""One line for each request."""

import structlog

from app.web.middleware.edge import Concern, Exchange
from app.web.middleware.load_shedding import IS_SHED

# Characters; a longer path is an attack or a mistake, and its beginning tells which.
LONGEST_PATH = 512


class AccessLog(Concern):
    """Logs what was asked, what was answered and how long it took; no query string, it may hold anything."""

    def __init__(self) -> None:
        self.log = structlog.get_logger().bind()

    def on_response_end(self, exchange: Exchange) -> None:
        scope = exchange.scope
        if IS_SHED in scope:
            return  # counted, with one line when that begins and one when it ends
        client = scope.get("client")
        problem = {"problem": exchange.problem} if exchange.problem else {}
        self.log.info(
            "request",
            method=scope["method"],
            path=scope["path"][:LONGEST_PATH],
            route=exchange.route,
            status=exchange.status,
            milliseconds=round(exchange.seconds * 1000, 2),
            bytes=exchange.bytes_sent,
            client=client[0] if client else None,
            **problem,
        )
