"""Stands in for the partners that orders need, so that `make run` has somebody to ask; real ones are elsewhere.

It makes up what shipping costs, and takes no money: it answers as a payment provider does, refuses what is more than
10,000.00, and forgets all charges when it ends. It is not started for a partner whose address is set.
"""

import json
import os
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from development.children import start_child, wait_until_ready
from development.embedded_server import EmbeddedServer
from development.ports import any_free

HOST = "127.0.0.1"
BASE_CENTS, CENTS_PER_PIECE = 390, 20
MOST_CENTS = 10_000_00


class StandInPartner(EmbeddedServer):
    """A process of its own, which keeps nothing."""

    patience_seconds = 0.25

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        self.port = any_free(HOST)
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "server.log"
        command = [sys.executable, "-m", "development.partners", str(self.port)]
        child = start_child(self.name, command, environment=os.environ, folder=self.folder.parents[1], log=log)
        self._keep(child)
        wait_until_ready(child, self._listens, within_seconds=20, log=log)

    def _listens(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex((HOST, self.port)) == 0


class StandInShipping(StandInPartner):
    name = "shipping (a stand-in)"


class StandInPayments(StandInPartner):
    name = "payments (a stand-in)"


class Desk(BaseHTTPRequestHandler):
    """Answers both kinds of questions."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two packets, and the second would wait for 40 ms
    charges: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        """`/quotes?sku=…&quantity=…`."""
        quantity = parse_qs(urlsplit(self.path).query).get("quantity", ["1"])[0]
        self.answer(HTTPStatus.OK, {"cents": BASE_CENTS + CENTS_PER_PIECE * int(quantity)})

    def do_POST(self) -> None:
        """`/charges`; the same key is the same charge."""
        cents = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["cents"]
        if cents > MOST_CENTS:
            self.answer(HTTPStatus.PAYMENT_REQUIRED, {"error": "That is more than there is."})
            return
        number = self.charges.setdefault(self.headers["Idempotency-Key"], len(self.charges) + 1)
        self.answer(HTTPStatus.OK, {"id": f"stand-in-{number}"})

    def answer(self, status: HTTPStatus, body: dict[str, str | int]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    with ThreadingHTTPServer((HOST, int(sys.argv[1])), Desk) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
