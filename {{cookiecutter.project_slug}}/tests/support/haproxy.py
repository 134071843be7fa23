"""HAProxy in front of some instances: sends requests to those that say that they are ready, and hides no failure."""

import csv
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_ports, is_listening
from tests.support.waiting import wait_until

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/bin")

# Often enough that an instance is found out well within a delay of a second.
CHECK_MILLISECONDS = 100

CONFIGURATION = """
global
    stats socket {folder}/haproxy.sock

defaults
    mode http
    retries 0
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout check 10s

frontend public
    bind 127.0.0.1:{port}
    default_backend instances

backend instances
    balance roundrobin
    option httpchk
    http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host 127.0.0.1
    default-server check inter {interval}ms fall 1 rise 1
"""


@dataclass(frozen=True)
class Proxy:
    """It, running."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def servers(self) -> dict[str, dict[str, str]]:
        """What it counted for each instance, by the names of its CSV."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(self.folder / "haproxy.sock"))
            caller.sendall(b"show stat\n")
            text = b"".join(iter(lambda: caller.recv(65536), b"")).decode().removeprefix("# ")
        rows = csv.DictReader(text.splitlines())
        return {row["svname"]: row for row in rows if row["pxname"] == "instances" and row["svname"] != "BACKEND"}

    def wait_until_all_are_up(self) -> None:
        wait_until(lambda: all(row["status"] == "UP" for row in self.servers().values()), what="every instance")


@contextmanager
def proxy_for(ports: Sequence[int], *, folder: Path) -> Iterator[Proxy]:
    """Until the end of the block."""
    assert HAPROXY
    [port] = free_ports(1)
    servers = [f"    server on-{instance} 127.0.0.1:{instance}\n" for instance in ports]
    text = CONFIGURATION.format(folder=folder, port=port, interval=CHECK_MILLISECONDS) + "".join(servers)
    (folder / "haproxy.cfg").write_text(text)
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([HAPROXY, "-db", "-f", folder / "haproxy.cfg"], stdout=log, stderr=log)
    try:
        wait_until(lambda: is_listening(port), within_seconds=10, what="HAProxy")
        yield Proxy(port, folder)
    finally:
        process.kill()
        process.wait(timeout=10)
