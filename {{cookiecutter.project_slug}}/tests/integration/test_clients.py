"""What a client does on the wire, and what it costs."""

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import pytest

from app.clients.errors import PartnerNotAsked, PartnerUnavailable, PartnerUnreachable
from app.clients.http import Clients, Partner, open_clients
from app.clients.ssrf_guard import UrlRules
from app.observability.metrics import Metrics, PartnerMetrics
from app.resilience.bulkhead import BulkheadOptions
from app.resilience.circuit_breaker import BreakerOptions
from app.resilience.policy import Policy
from tests.support.partner import open_partner
from tests.support.ports import free_ports

CALLERS = 1000


@asynccontextmanager
async def clients_of(*partners: Partner) -> AsyncIterator[Clients]:
    metrics = PartnerMetrics(Metrics().registry)
    async with open_clients(partners, metrics=metrics, on_guard=lambda _guard: None) as clients:
        yield clients


async def test_a_dead_partner_sees_few_calls_and_costs_no_time() -> None:
    """A thousand users; the circuit opens within one window."""
    breaker = BreakerOptions(window=20, minimum_calls=10, open_seconds=60)
    policy = Policy(attempts=1, breaker=breaker, bulkhead=BulkheadOptions(calls=20, places=CALLERS, wait_seconds=5))
    async with open_partner() as partner, clients_of(Partner("dead", partner.url)) as clients:
        client = clients.get("dead", policy=policy)
        partner.behave(status=500)

        async def call(number: int) -> BaseException | None:
            try:
                await client.get(f"/{number}")
            except PartnerUnavailable as failure:
                return failure
            return None

        failures = await asyncio.gather(*map(call, range(CALLERS)))
        seen = len(partner.requests)
        seconds = []
        for number in range(100):
            began = time.perf_counter()
            with pytest.raises(PartnerNotAsked):
                await client.get(f"/{number}")
            seconds.append(time.perf_counter() - began)

    assert None not in failures
    assert seen <= breaker.minimum_calls + policy.bulkhead.calls
    assert len(partner.requests) == seen
    assert median(seconds) < 0.001


async def test_there_is_one_client_for_each_partner() -> None:
    async with clients_of(Partner("one", "http://127.0.0.1:9"), Partner("two", "http://127.0.0.1:9")) as clients:
        assert clients.get("one", policy=Policy()) is clients.get("one", policy=Policy())
        assert clients.get("one", policy=Policy()) is not clients.get("two", policy=Policy())


async def test_other_options_for_a_client_that_is_in_use_are_refused() -> None:
    """Nobody would see that they hold for nothing; with rules for URLs that is a hole."""
    async with clients_of(Partner("one", "http://127.0.0.1:9")) as clients:
        clients.get("one", policy=Policy())
        clients.for_urls("receivers", policy=Policy(), rules=UrlRules(ports=frozenset({8443})))

        with pytest.raises(ValueError, match="'one' is in use with other options"):
            clients.get("one", policy=Policy(attempts=1))
        with pytest.raises(ValueError, match="'receivers' is in use with other options"):
            clients.for_urls("receivers", policy=Policy(), rules=UrlRules())


async def test_connections_are_kept_and_no_more_than_calls_at_once() -> None:
    policy = Policy(bulkhead=BulkheadOptions(calls=4, places=100, wait_seconds=5))
    async with open_partner() as partner, clients_of(Partner("helper", partner.url)) as clients:
        client = clients.get("helper", policy=policy)

        await asyncio.gather(*(client.post(f"/{number}") for number in range(40)))

    assert len(partner.requests) == 40
    assert partner.connections <= 4


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async with (
        self_signed_server(tmp_path) as (port, received),
        clients_of(Partner("helper", f"https://localhost:{port}", "a-partners-key")) as clients,
    ):
        with pytest.raises(PartnerUnreachable) as refused:
            await clients.get("helper", policy=Policy()).get("/")

    assert refused.value.cause == "SSLCertVerificationError CERTIFICATE_VERIFY_FAILED"
    assert received == []


@asynccontextmanager
async def self_signed_server(folder: Path) -> AsyncIterator[tuple[int, list[bytes]]]:
    """And what it was sent."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    await asyncio.to_thread(make_certificate, certificate, key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    [port] = free_ports(1)
    async with await asyncio.start_server(serve, "localhost", port, ssl=context):
        yield port, received


def make_certificate(certificate: Path, key: Path) -> None:
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True, timeout=60
    )
