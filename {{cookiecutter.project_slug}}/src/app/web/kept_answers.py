"""Answers that are kept and given again: what is kept of one, and how it is made anew."""

from collections.abc import Sequence

from starlette.responses import Response

Headers = Sequence[tuple[str, str]]

# What is counted anew, and what only the first one to ask may have.
NOT_KEPT = frozenset({b"content-length", b"set-cookie"})


class AlreadyAnswered(Exception):
    """There is nothing left to do: this is the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def headers_of(response: Response) -> list[tuple[str, str]]:
    """What the route itself has said; what the middlewares add, they add each time."""
    kept = [(name, value) for name, value in response.raw_headers if name not in NOT_KEPT]
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in kept]


def body_of(response: Response) -> bytes | None:
    """A stream or a file has none."""
    body = getattr(response, "body", None)
    return None if body is None else bytes(body)


def answer_again(status: int, headers: Headers, body: bytes, *, note: tuple[str, str]) -> Response:
    """The same once more, and a header that says so."""
    response = Response(body, status)
    again = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*headers, note)]
    response.raw_headers = [*response.raw_headers, *again]
    return response
