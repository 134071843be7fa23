"""A server that takes what Sentry's library sends."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import brotli

DECODERS: dict[str, Callable[[bytes], bytes]] = {"br": brotli.decompress, "gzip": gzip.decompress}


@dataclass
class SentryReceiver:
    """Everything that arrived. While `may_answer` is not set, reports are held back."""

    dsn: str
    may_answer: threading.Event = field(default_factory=threading.Event)
    events: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def receive(self, body: bytes) -> None:
        """One envelope: a header, then for each item a header and a payload, a line each."""
        self.bodies.append(body.decode())
        _header, *rest = [json.loads(line) for line in body.decode().splitlines() if line]
        for header, payload in zip(rest[::2], rest[1::2], strict=True):
            if header["type"] == "event":
                self.events.append(payload)


@contextmanager
def sentry_receiver(*, holds_back: bool = False) -> Iterator[SentryReceiver]:
    """Listening until the end of the block; it may hold reports back until it is told."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        receiver = SentryReceiver(f"http://public@127.0.0.1:{server.server_port}/1")
        server.RequestHandlerClass = handler_for(receiver)
        if not holds_back:
            receiver.may_answer.set()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def handler_for(receiver: SentryReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.may_answer.wait(timeout=10)
            receiver.receive(DECODERS[self.headers["Content-Encoding"]](body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """The test's output stays its own."""

    return Handler
