"""The proxy makes of a good network the bad one that a test asks for."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.support.tcp_proxy import RETRANSMISSION_SECONDS, TcpProxy, tcp_proxy

PATIENCE_SECONDS = 10.0


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    """In front of a server that says what it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo_all, args=(listener,), daemon=True)
        thread.start()
        with tcp_proxy(listener.getsockname()[1]) as proxy:
            yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_SECONDS)


def echo_all(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def echo(connection: socket.socket) -> None:
    with connection, suppress(ConnectionError):
        while piece := connection.recv(65_536):
            connection.sendall(piece)


def caller_of(proxy: TcpProxy, *, patience: float = PATIENCE_SECONDS) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=patience))


def seconds_for(caller: socket.socket, piece: bytes = b"hello") -> float:
    """How long it takes until what was said comes back."""
    began = time.monotonic()
    caller.sendall(piece)
    back = b""
    while len(back) < len(piece):
        back += caller.recv(65_536)
    assert back == piece
    return time.monotonic() - began


def test_a_good_one_passes_everything(proxy: TcpProxy) -> None:
    with caller_of(proxy) as caller:
        assert seconds_for(caller, b"x" * 1_000_000) < PATIENCE_SECONDS


def test_latency_counts_there_and_back(proxy: TcpProxy) -> None:
    proxy.latency_seconds = 0.1

    with caller_of(proxy) as caller:
        assert seconds_for(caller) >= 0.2


def test_a_narrow_one_takes_its_time(proxy: TcpProxy) -> None:
    proxy.bytes_per_second = 100_000

    with caller_of(proxy) as caller:
        assert seconds_for(caller, b"x" * 20_000) >= 0.3


def test_what_is_lost_comes_later(proxy: TcpProxy) -> None:
    proxy.loss = 1.0

    with caller_of(proxy) as caller:
        assert seconds_for(caller) >= 2 * RETRANSMISSION_SECONDS


def test_a_silent_one_keeps_what_was_said_until_it_speaks_again(proxy: TcpProxy) -> None:
    with caller_of(proxy, patience=0.3) as caller:
        seconds_for(caller)
        proxy.silence()
        caller.sendall(b"hello")
        with pytest.raises(TimeoutError):
            caller.recv(100)

        proxy.speak()
        caller.settimeout(PATIENCE_SECONDS)
        assert caller.recv(100) == b"hello"


def test_who_is_cut_off_may_come_again(proxy: TcpProxy) -> None:
    with caller_of(proxy) as caller:
        seconds_for(caller)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            caller.recv(100)

    with caller_of(proxy) as caller:
        seconds_for(caller)


def test_who_is_refused_may_come_when_it_accepts_again(proxy: TcpProxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        caller_of(proxy)

    proxy.accept()
    with caller_of(proxy) as caller:
        seconds_for(caller)


def test_nobody_behind_it_is_nobody_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    # The reset may come while the caller still connects.
    with tcp_proxy(port) as proxy, pytest.raises(ConnectionResetError), caller_of(proxy) as caller:
        caller.recv(100)
