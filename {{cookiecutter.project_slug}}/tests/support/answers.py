"""Reads the answers out of what came over a connection."""

from collections.abc import Iterator
from dataclasses import dataclass

FIRST_FINAL = 200


@dataclass(frozen=True)
class Answer:
    """One of them, with the names of its headers in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of one header."""
        return [value for found, value in self.headers if found == name]


def answers_in(stream: bytes) -> Iterator[Answer]:
    """Each one but `100 Continue`. Raises `ValueError` if something else is in between, or the end is missing."""
    while stream:
        start, _, stream = stream.partition(b"\r\n\r\n")
        version, status, *lines = start.split(b"\r\n")[0].split(b" ", 2)[:2] + start.split(b"\r\n")[1:]
        if version != b"HTTP/1.1":
            raise ValueError(f"this is no answer: {start[:100]!r}")
        if int(status) < FIRST_FINAL:
            continue
        headers = [
            (name.decode(), value.decode("latin-1")) for name, _, value in (line.partition(b": ") for line in lines)
        ]
        body, stream = body_in(stream, dict(headers))
        yield Answer(int(status), headers, body)


def body_in(stream: bytes, headers: dict[str, str]) -> tuple[bytes, bytes]:
    """The body, and what follows it."""
    if headers.get("transfer-encoding") == "chunked":
        return chunks_in(stream)
    size = int(headers.get("content-length", 0))
    if len(stream) < size:
        raise ValueError("the body is cut off")
    return stream[:size], stream[size:]


def chunks_in(stream: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, stream = stream.partition(b"\r\n")
        length = int(size, 16)
        body, stream = body + stream[:length], stream[length + 2 :]
        if not length:
            return body, stream
